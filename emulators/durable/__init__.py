"""Durable Functions on one machine: a task hub on PostgreSQL for the unmodified Python SDK."""

from emulators.durable.hub import DurableTaskHub, open_task_hub

__all__ = ["DurableTaskHub", "open_task_hub"]
