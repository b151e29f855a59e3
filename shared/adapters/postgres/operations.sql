-- What staff read. These look across users, so they ask for the plans that suit sums.

-- name: plan_for_sums
SELECT set_config(name, 'on', true)
FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name

-- name: sagas
SELECT s.saga_id,
       CASE WHEN s.finished_at IS NOT NULL THEN 'FINISHED' WHEN s.deadline < now() THEN 'STUCK' ELSE 'IN_FLIGHT' END,
       s.claimed_at, s.deadline, s.finished_at, s.orders,
       (SELECT count(*) FROM saga_orders m JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
        WHERE m.saga_id = s.saga_id AND o.state NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED')),
       s.unanswered
FROM sagas s
WHERE (%(before)s::uuid IS NULL OR s.saga_id < %(before)s)
  AND (%(saga_id)s::uuid IS NULL OR s.saga_id = %(saga_id)s)
  AND (%(order_id)s::uuid IS NULL OR s.saga_id IN (SELECT saga_id FROM saga_orders WHERE order_id = %(order_id)s))
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
FROM saga_steps WHERE saga_id = %(saga_id)s ORDER BY at, step, order_id

-- name: member_holds
SELECT h.order_id, h.account, h.asset, h.amount, h.captured, h.released
FROM saga_orders m JOIN holds h ON h.user_id = m.user_id AND h.order_id = m.order_id
WHERE m.saga_id = %(saga_id)s ORDER BY h.order_id, h.request_id

-- name: member_transfers
SELECT t.order_id, t.transfer_no, t.entry_id, t.debit_account, t.credit_account, t.asset, t.amount, t.reason,
       t.booked_at
FROM saga_orders m JOIN transfers t ON t.user_id = m.user_id AND t.order_id = m.order_id
WHERE m.saga_id = %(saga_id)s ORDER BY t.order_id, t.transfer_no

-- name: doubts
SELECT d.order_id, d.user_id, d.since, d.evidence, o.instrument_id, o.side, o.quantity, o.filled_quantity,
       o.submitted_at, o.expire_at, h.asset, h.amount - h.captured - h.released, o.state, d.resolved_at,
       d.resolved_by, d.resolution, d.reference
FROM in_doubt d
JOIN orders o ON o.user_id = d.user_id AND o.order_id = d.order_id
LEFT JOIN holds h ON h.user_id = d.user_id AND h.order_id = d.order_id AND h.request_id = d.order_id
WHERE d.resolved_at IS NULL AND o.in_doubt -- a late report ends a doubt too
  AND (%(since)s::timestamptz IS NULL OR (d.since, d.order_id) > (%(since)s, %(order_id)s::uuid))
ORDER BY d.since, d.order_id
LIMIT %(limit)s

-- name: doubt
SELECT d.order_id, d.user_id, d.since, d.evidence, o.instrument_id, o.side, o.quantity, o.filled_quantity,
       o.submitted_at, o.expire_at, h.asset, h.amount - h.captured - h.released, o.state, d.resolved_at,
       d.resolved_by, d.resolution, d.reference
FROM in_doubt d
JOIN orders o ON o.user_id = d.user_id AND o.order_id = d.order_id
LEFT JOIN holds h ON h.user_id = d.user_id AND h.order_id = d.order_id AND h.request_id = d.order_id
WHERE d.order_id = %(order_id)s

-- name: parked
SELECT parked_no, parked_at, reason, order_id, body
FROM parked_reports
WHERE parked_no < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY parked_no DESC
LIMIT %(limit)s

-- name: backlogs
SELECT 'dispatch_queue', count(*), min(accepted_at) FROM dispatch_queue
UNION ALL SELECT 'exchange_outbox', count(*), min(created_at) FROM exchange_outbox WHERE sent_at IS NULL
UNION ALL SELECT 'saga_signals', count(*), min(created_at) FROM saga_signals WHERE sent_at IS NULL
UNION ALL SELECT 'effects', coalesce(sum(last - first + 1), 0)::bigint, min(created_at)
    FROM effects_outbox, unnest(firsts, lasts) AS told (first, last)
UNION ALL SELECT 'sagas_in_flight', count(*), min(claimed_at) FROM sagas WHERE finished_at IS NULL
UNION ALL SELECT 'in_doubt', count(*), min(d.since)
    FROM in_doubt d JOIN orders o ON o.user_id = d.user_id AND o.order_id = d.order_id
    WHERE d.resolved_at IS NULL AND o.in_doubt
UNION ALL SELECT 'parked_reports', count(*), min(parked_at) FROM parked_reports

-- name: ledger_sums
-- One snapshot: the checkpoint holds every transfer whose transaction is older than `xact`, the tail all others.
WITH checkpoint AS (
    SELECT coalesce((SELECT xact FROM ledger_checkpoint), '0'::xid8) AS xact
), tail AS MATERIALIZED (
    SELECT debit_account, credit_account, asset, sum(amount) AS amount
    FROM transfers WHERE xact >= (SELECT xact FROM checkpoint)
    GROUP BY debit_account, credit_account, asset
), moved AS (
    SELECT account, asset, balance FROM ledger_checkpoint_balances
    UNION ALL SELECT credit_account, asset, amount FROM tail
    UNION ALL SELECT debit_account, asset, -amount FROM tail
), ledger AS (
    SELECT account, asset, sum(balance) AS balance FROM moved GROUP BY account, asset
), clients AS (
    SELECT account, asset, sum(balance) AS balance FROM accounts GROUP BY account, asset
)
SELECT now(), (SELECT taken_at FROM ledger_checkpoint), account, asset,
       coalesce(ledger.balance, 0)::bigint, clients.balance::bigint
FROM ledger FULL JOIN clients USING (account, asset)
ORDER BY account, asset

-- name: begin_checkpoint
INSERT INTO ledger_checkpoint (xact, taken_at) VALUES ('0', now()) ON CONFLICT DO NOTHING

-- name: take_checkpoint
-- Every transaction below the snapshot's xmin has ended, so none of its rows can appear later.
WITH previous AS MATERIALIZED (
    SELECT xact FROM ledger_checkpoint FOR NO KEY UPDATE
), horizon AS (
    SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xact
), ended AS MATERIALIZED (
    SELECT debit_account, credit_account, asset, sum(amount) AS amount
    FROM transfers
    WHERE xact >= (SELECT xact FROM previous) AND xact < (SELECT xact FROM horizon)
    GROUP BY debit_account, credit_account, asset
), written AS (
    INSERT INTO ledger_checkpoint_balances AS b (account, asset, balance)
    SELECT account, asset, sum(amount)
    FROM (SELECT credit_account AS account, asset, amount FROM ended
          UNION ALL SELECT debit_account, asset, -amount FROM ended) AS moved
    GROUP BY account, asset
    ON CONFLICT (account, asset) DO UPDATE SET balance = b.balance + excluded.balance
)
UPDATE ledger_checkpoint SET xact = horizon.xact, taken_at = now()
FROM horizon, previous WHERE horizon.xact > previous.xact AND EXISTS (SELECT FROM ended)

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

-- name: reply
SELECT fingerprint, answer_status, answer_body FROM idempotent_answers WHERE user_id = %(user_id)s AND key = %(key)s

-- name: store_reply
INSERT INTO idempotent_answers (user_id, key, fingerprint, answer_status, answer_body, created_at)
VALUES (%(user_id)s, %(key)s, %(fingerprint)s, %(status)s, %(body)s, now())
ON CONFLICT (user_id, key) DO NOTHING
