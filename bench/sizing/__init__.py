"""Units of every Azure service for a load, and what they cost: `python -m bench.sizing`."""
