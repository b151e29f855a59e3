"""Redis (or Valkey): rate limits and wake-ups. Losing it loses nothing and slows little."""
