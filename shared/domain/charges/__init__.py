"""What a trade costs beside its price."""
