"""Orders through the whole saga."""
