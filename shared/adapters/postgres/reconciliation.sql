-- Our side of a reconciliation with a venue. Some look across users, so they ask for the plans that suit that.

-- name: plan_across_users
SELECT set_config(name, 'on', true)
FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name

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
SELECT o.order_id::text, o.quantity, o.venue_quantity
FROM order_deadlines d JOIN orders o ON o.user_id = d.user_id AND o.order_id = d.order_id
WHERE o.state IN ('NEW', 'PARTIALLY_FILLED') AND o.final_quantity IS NULL
  AND o.instrument_id LIKE %(venue)s || ':%%' AND o.order_id > %(after)s::uuid
ORDER BY o.order_id LIMIT %(limit)s
