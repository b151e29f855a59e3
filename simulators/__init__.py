"""The world outside the broker: processes that speak its partners' protocols; they import nothing of the broker."""
