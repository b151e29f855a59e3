"""From frames of the market feed to quotes and candles."""
