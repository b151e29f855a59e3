-- Our side of a reconciliation with a venue.

-- name: executions_by_id
SELECT exec_id, order_id::text, quantity, price
FROM trades WHERE venue = %(venue)s AND trade_date = %(trade_date)s AND exec_id = ANY(%(exec_ids)s)

-- name: executions
SELECT exec_id, order_id::text, quantity, price
FROM trades WHERE venue = %(venue)s AND trade_date = %(trade_date)s AND exec_id > %(after)s
ORDER BY exec_id LIMIT %(limit)s

-- name: order_states
SELECT order_id, state FROM orders WHERE order_id = ANY(%(order_ids)s)

-- name: working
-- From the few that are watched to their orders, never the other way round: OFFSET 0 keeps the planner from it.
SELECT d.order_id::text, o.quantity, o.venue_quantity
FROM order_deadlines d
CROSS JOIN LATERAL (
    SELECT state, final_quantity, instrument_id, quantity, venue_quantity FROM orders
    WHERE user_id = d.user_id AND order_id = d.order_id OFFSET 0
) AS o
WHERE d.order_id > %(after)s::uuid AND o.state IN ('NEW', 'PARTIALLY_FILLED') AND o.final_quantity IS NULL
  AND o.instrument_id LIKE %(venue)s || ':%%'
ORDER BY d.order_id LIMIT %(limit)s
