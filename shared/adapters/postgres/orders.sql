-- Reads of orders, and what is known of a caller at the door.

-- name: inquire
-- Each look-up is a row's own, so that it always goes by its key: joined, the planner may read every account.
SELECT (SELECT u.kyc_status FROM users u WHERE u.user_id = k.user_id),
       coalesce((SELECT a.balance - a.held FROM accounts a
                 WHERE a.user_id = k.user_id AND a.account = 'client.cash' AND a.asset = 'INR'), 0),
       coalesce((SELECT a.balance - a.held FROM accounts a
                 WHERE a.user_id = k.user_id AND a.account = 'client.holdings' AND a.asset = k.instrument_id), 0),
       stored.order_id, stored.fingerprint, stored.answer_status, stored.answer_body,
       (SELECT o.order_id FROM orders o WHERE o.user_id = k.user_id AND o.client_order_id = k.client_order_id)
FROM json_to_recordset(%(rows)s::json)
    AS k (place integer, user_id uuid, instrument_id text, idempotency_key text, client_order_id text)
LEFT JOIN orders stored ON stored.user_id = k.user_id AND stored.idempotency_key = k.idempotency_key
ORDER BY k.place

-- name: page
SELECT o.user_id, o.order_id, o.instrument_id, o.side, o.order_type, o.product, o.time_in_force, o.quantity, o.price,
       o.limit_price, o.trade_date::text, o.accepted_at, o.updated_at, o.state, o.pending_request,
       o.pending_request_id, o.filled_quantity, o.notional, o.venue_quantity, o.final_quantity, o.final_state,
       o.charges, o.owner, o.deadline, o.in_doubt, o.saga_id, o.submitted_at, o.expire_at, o.answered_at,
       o.exchange_order_id, o.reject_code, o.status_message, o.client_order_id, o.disclosed_quantity, o.tag, o.version
FROM orders o
WHERE o.user_id = %(user_id)s
  AND (o.accepted_at, o.order_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
  AND (%(instrument_id)s::text IS NULL OR o.instrument_id = %(instrument_id)s::text)
  AND (%(status)s::text IS NULL OR %(status)s::text = CASE
        WHEN o.state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED') THEN o.state
        WHEN o.pending_request IS NOT NULL THEN 'PENDING_' || o.pending_request
        WHEN o.state IN ('ACCEPTED', 'HELD', 'SUBMITTED') THEN 'PENDING_NEW'
        ELSE o.state END)
ORDER BY o.accepted_at DESC, o.order_id DESC
LIMIT %(limit)s

-- name: history
SELECT version, event, state, detail, at FROM order_events
WHERE user_id = %(user_id)s AND order_id = %(order_id)s ORDER BY version
