"""From a start, and from kill -9 of everything, to the first commit and the first fill."""
