"""The market feed."""
