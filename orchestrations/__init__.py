"""Durable sagas and their activities, one file a process."""
