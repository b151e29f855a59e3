"""Matching: the venue's order book."""
