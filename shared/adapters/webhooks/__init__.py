"""Deliveries to addresses that users choose."""
