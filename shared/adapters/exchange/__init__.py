"""The venue's own records, over HTTP."""
