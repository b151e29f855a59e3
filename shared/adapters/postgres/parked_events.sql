-- Events of the market feed that could not be used.

-- name: park
INSERT INTO parked_market_events (partition, "offset", enqueued_at, body, reason)
SELECT * FROM unnest(%(partitions)s::text[], %(offsets)s::text[], %(enqueued)s::timestamptz[], %(bodies)s::bytea[], %(reasons)s::text[])
ON CONFLICT (partition, "offset") DO NOTHING

-- name: trim
DELETE FROM parked_market_events
WHERE parked_at < (SELECT parked_at FROM parked_market_events ORDER BY parked_at DESC OFFSET %(most)s LIMIT 1)
