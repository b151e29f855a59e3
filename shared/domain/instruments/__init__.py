"""Instruments: what is traded, on which dates, in which steps of price."""
