-- Which orders the venue has issued reports for that are not accounted for, and how far each lane has been compared.

-- name: positions
SELECT lane, position FROM exchange_lanes

-- name: behind
SELECT k.user_id, k.order_id, k.last_sequence
FROM json_to_recordset(%(issued)s::json) AS k (user_id uuid, order_id uuid, last_sequence bigint)
CROSS JOIN LATERAL (
    SELECT venue_sequence, state FROM orders
    WHERE user_id = k.user_id AND order_id = k.order_id OFFSET 0 -- each by its key, whatever the planner expects of states
) AS o
WHERE o.venue_sequence < k.last_sequence AND o.state IN ('SUBMITTED', 'NEW', 'PARTIALLY_FILLED')

-- name: move
INSERT INTO exchange_lanes AS l (lane, position, moved_at)
SELECT lane, position, now() FROM json_to_recordset(%(rows)s::json) AS n (lane text, position bigint) ORDER BY lane
ON CONFLICT (lane) DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at
WHERE l.position < excluded.position
