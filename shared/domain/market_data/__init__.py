"""Market data: quotes, candles and the shards that they travel in."""
