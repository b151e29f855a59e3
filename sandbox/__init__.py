"""The whole broker on one machine: starts its parts, seeds the demo data, hands out tokens."""
