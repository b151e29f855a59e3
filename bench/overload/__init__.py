"""Three times more orders than the broker can take: what it still does, and how fast it says no."""
