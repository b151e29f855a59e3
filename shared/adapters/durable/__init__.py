"""Durable Functions: the engine that runs sagas."""
