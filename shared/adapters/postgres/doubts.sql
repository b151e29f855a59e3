-- Orders in doubt, open and closed: `records`, restricted by one of the others.

-- name: records
SELECT d.order_id, d.user_id, d.since, d.evidence, o.instrument_id, o.side, o.quantity, o.filled_quantity,
       o.submitted_at, o.expire_at, h.asset, h.open, o.state, d.resolved_at, d.resolved_by, d.resolution, d.reference,
       d.venue_consulted, d.venue_status
FROM in_doubt d
JOIN orders o ON o.user_id = d.user_id AND o.order_id = d.order_id
LEFT JOIN LATERAL (
    SELECT min(asset) AS asset, sum(amount - captured - released)::bigint AS open FROM holds
    WHERE user_id = d.user_id AND source = 'ORDER' AND source_id = d.order_id
) AS h ON true

-- name: open
WHERE d.resolved_at IS NULL AND o.in_doubt
  AND (%(at)s::timestamptz IS NULL OR (d.since, d.order_id) > (%(at)s, %(order_id)s::uuid))
ORDER BY d.since, d.order_id
LIMIT %(limit)s

-- name: closed
WHERE d.resolved_at IS NOT NULL
  AND (%(at)s::timestamptz IS NULL OR (d.resolved_at, d.order_id) < (%(at)s, %(order_id)s::uuid))
ORDER BY d.resolved_at DESC, d.order_id DESC
LIMIT %(limit)s

-- name: of_order
WHERE d.order_id = %(order_id)s
