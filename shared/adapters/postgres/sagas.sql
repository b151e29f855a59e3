-- Order sagas as staff read them.

-- name: sagas
-- One of the four ways to find them is open, by what is asked for; each goes by an index.
WITH picked AS MATERIALIZED (
    SELECT %(saga_id)s::uuid AS saga_id
    UNION ALL
    SELECT saga_id FROM saga_orders WHERE order_id = %(order_id)s::uuid
    UNION ALL
    SELECT saga_id FROM sagas
    WHERE %(state)s::text IN ('IN_FLIGHT', 'STUCK') AND %(saga_id)s IS NULL AND %(order_id)s IS NULL
      AND finished_at IS NULL
    UNION ALL
    (SELECT saga_id FROM sagas
     WHERE coalesce(%(state)s, 'FINISHED') = 'FINISHED' AND %(saga_id)s IS NULL AND %(order_id)s IS NULL
       AND saga_id < %(before)s AND (%(state)s IS NULL OR finished_at IS NOT NULL)
     ORDER BY saga_id DESC LIMIT %(limit)s)
)
SELECT s.saga_id,
       CASE WHEN s.finished_at IS NOT NULL THEN 'FINISHED' WHEN s.deadline < now() THEN 'STUCK' ELSE 'IN_FLIGHT' END,
       s.taken_at, s.deadline, s.finished_at, s.orders,
       (SELECT count(*) FROM saga_orders m JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
        WHERE m.saga_id = s.saga_id AND o.state NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED')),
       s.unanswered
FROM picked JOIN sagas s ON s.saga_id = picked.saga_id
WHERE s.saga_id < %(before)s
  AND CASE %(state)s::text
          WHEN 'FINISHED' THEN s.finished_at IS NOT NULL
          WHEN 'STUCK' THEN s.finished_at IS NULL AND s.deadline < now()
          WHEN 'IN_FLIGHT' THEN s.finished_at IS NULL
          ELSE true
      END
ORDER BY s.saga_id DESC
LIMIT %(limit)s

-- name: members
SELECT o.user_id, o.order_id, o.instrument_id, o.side, o.quantity, o.filled_quantity, o.state, o.pending_request,
       o.owner, o.deadline, o.in_doubt, o.status_message
FROM saga_orders m JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
WHERE m.saga_id = %(saga_id)s ORDER BY o.accepted_at, o.order_id

-- name: steps
SELECT order_id, step, outcome, detail, attempts, at
FROM order_steps WHERE saga_id = %(saga_id)s ORDER BY at, step, order_id

-- name: member_holds
SELECT m.order_id, h.account, h.asset, h.amount, h.captured, h.released
FROM saga_orders m
JOIN holds h ON h.user_id = m.user_id AND h.source = 'ORDER' AND h.source_id = m.order_id
WHERE m.saga_id = %(saga_id)s ORDER BY m.order_id, h.request_id <> m.order_id, h.request_id

-- name: member_transfers
SELECT t.order_id, t.transfer_no, t.entry_id, t.debit_account, t.credit_account, t.asset, t.amount, t.reason,
       t.booked_at
FROM saga_orders m JOIN transfers t ON t.user_id = m.user_id AND t.order_id = m.order_id
WHERE m.saga_id = %(saga_id)s ORDER BY t.order_id, t.transfer_no
