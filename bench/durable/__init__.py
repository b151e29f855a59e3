"""The Durable engine: a chain of three activities."""
