"""Orders over HTTP: accepted, sustained to fill, and how long each takes."""
