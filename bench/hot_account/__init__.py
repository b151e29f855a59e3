"""One hot account."""
