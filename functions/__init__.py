"""Triggers, one file a noun: parse into a contract, call one use case, return."""
