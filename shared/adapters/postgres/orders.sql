-- Reads of orders, and what is known of a caller before an order is taken.

-- name: inquire
-- Each look-up is a row's own, so that it always goes by its key: joined, the planner may read every account.
SELECT (SELECT u.kyc_status FROM users u WHERE u.user_id = k.user_id),
       coalesce((SELECT a.balance - a.held FROM accounts a
                 WHERE a.user_id = k.user_id AND a.account = 'client.cash' AND a.asset = 'INR'), 0),
       coalesce((SELECT a.balance - a.held FROM accounts a
                 WHERE a.user_id = k.user_id AND a.account = 'client.holdings' AND a.asset = k.asset), 0),
       stored.order_id, stored.fingerprint, stored.answer_status, stored.answer_body,
       (SELECT o.order_id FROM orders o WHERE o.user_id = k.user_id AND o.client_order_id = k.client_order_id)
FROM json_to_recordset(%(rows)s::json)
    AS k (place integer, user_id uuid, asset text, idempotency_key text, client_order_id text)
LEFT JOIN orders stored ON stored.user_id = k.user_id AND stored.idempotency_key = k.idempotency_key
ORDER BY k.place

-- name: page
SELECT {order_columns}
FROM orders o
WHERE o.user_id = %(user_id)s
  AND (o.accepted_at, o.order_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
  AND (%(instrument_id)s::text IS NULL OR o.instrument_id = %(instrument_id)s::text)
  AND (%(standings)s::text[] IS NULL OR concat(o.state, '/', o.pending_request) = ANY(%(standings)s::text[]))
ORDER BY o.accepted_at DESC, o.order_id DESC
LIMIT %(limit)s

-- name: history
SELECT revision, version, event, state, detail, at FROM order_events
WHERE user_id = %(user_id)s AND order_id = %(order_id)s ORDER BY revision
