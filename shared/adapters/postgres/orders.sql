-- Reads of orders, and what is known of a caller before an order is taken.

-- name: inquire
-- Each look-up is a row's own, so that it always goes by its key: joined, the planner may read every account.
SELECT (SELECT u.kyc_status FROM users u WHERE u.user_id = k.user_id),
       coalesce((SELECT u.next_sequence - 1 FROM users u WHERE u.user_id = k.user_id), 0),
       coalesce((SELECT a.balance - a.held FROM accounts a
                 WHERE a.user_id = k.user_id AND a.account = 'client.cash' AND a.asset = 'INR'), 0),
       coalesce((SELECT a.balance - a.held FROM accounts a
                 WHERE a.user_id = k.user_id AND a.account = 'client.holdings' AND a.asset = k.asset), 0),
       stored.order_id, stored.fingerprint, stored.answer_status, stored.answer_body,
       (SELECT o.order_id FROM orders o WHERE o.user_id = k.user_id AND o.client_order_id = k.client_order_id)
FROM json_to_recordset(%(rows)s::json)
    AS k (place integer, user_id uuid, asset text, idempotency_key text, client_order_id text)
LEFT JOIN order_answers stored ON stored.user_id = k.user_id AND stored.idempotency_key = k.idempotency_key
    AND stored.order_id >= %(since)s
ORDER BY k.place

-- name: page
-- A page of each of the wanted ends, merged. `standings` chooses among the orders that work ('' in `ends`).
SELECT {order_columns}
FROM unnest(%(ends)s::text[]) AS wanted (ended_as)
CROSS JOIN LATERAL (
    SELECT * FROM orders
    WHERE user_id = %(user_id)s AND orders.ended_as = wanted.ended_as AND order_id < %(before)s
      AND (%(standings)s::text[] IS NULL OR concat(state, '/', pending_request) = ANY(%(standings)s::text[]))
    ORDER BY order_id DESC LIMIT %(limit)s
) AS o
ORDER BY o.order_id DESC
LIMIT %(limit)s

-- name: page_by_instrument
SELECT {order_columns}
FROM unnest(%(ends)s::text[]) AS wanted (ended_as)
CROSS JOIN LATERAL (
    SELECT * FROM orders
    WHERE user_id = %(user_id)s AND instrument_id = %(instrument_id)s AND orders.ended_as = wanted.ended_as
      AND order_id < %(before)s
      AND (%(standings)s::text[] IS NULL OR concat(state, '/', pending_request) = ANY(%(standings)s::text[]))
    ORDER BY order_id DESC LIMIT %(limit)s
) AS o
ORDER BY o.order_id DESC
LIMIT %(limit)s

-- name: history
SELECT revision, version, event, state, detail, at FROM order_events
WHERE user_id = %(user_id)s AND order_id = %(order_id)s ORDER BY revision
