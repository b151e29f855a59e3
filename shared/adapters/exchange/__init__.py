"""The venue's own records, over its HTTP door."""
