"""Fan-out to clients, and how long changes take to reach them."""
