-- One unit of work on the books. Rows travel as one JSON text per statement, sorted by key.

-- name: lock_users
SELECT user_id, next_sequence FROM users WHERE user_id = ANY(%(users)s::uuid[]) ORDER BY user_id FOR NO KEY UPDATE

-- name: lock_free_users
SELECT user_id FROM users WHERE user_id = ANY(%(users)s::uuid[]) ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED

-- name: wait_briefly
SET LOCAL lock_timeout = '200ms'

-- name: load_orders
SELECT {order_columns}
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, order_id uuid)
JOIN orders o ON o.user_id = k.user_id AND o.order_id = k.order_id

-- name: load_orders_and_costs
-- For fills: which are on record, what the orders' securities cost and, where a fill comes late, the trades since then.
SELECT {order_columns},
       (SELECT json_agg(json_build_array(t.venue, t.trade_date, t.exec_id))
        FROM json_to_recordset(k.fills) AS f (venue text, trade_date date, exec_id text)
        JOIN trades t ON t.venue = f.venue AND t.trade_date = f.trade_date AND t.exec_id = f.exec_id),
       k.trade_date::text, k.executed_at, {cost_columns},
       (SELECT json_agg({costed_trade})
        FROM (SELECT * FROM trades
              WHERE (c.last_trade_date, c.last_executed_at) >= (k.trade_date, k.executed_at)
                AND user_id = k.user_id AND (trade_date, executed_at) >= (k.trade_date, k.executed_at)
                AND security_id = o.security_id AND bought_before IS NOT NULL
              ORDER BY trade_date, executed_at) AS t)
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, order_id uuid, trade_date date, executed_at timestamptz,
    fills json)
JOIN orders o ON o.user_id = k.user_id AND o.order_id = k.order_id
LEFT JOIN costs c ON c.user_id = k.user_id AND c.security_id = o.security_id

-- name: load_holds
SELECT h.user_id, h.source, h.source_id, h.request_id, h.account, h.asset, h.amount, h.captured, h.released
FROM json_to_recordset(%(purposes)s::json) AS k (user_id uuid, source text, source_id uuid)
JOIN holds h ON h.user_id = k.user_id AND h.source = k.source AND h.source_id = k.source_id

-- name: load_balances_of_orders
-- All accounts of the users in money and in the orders' securities. A security without an account gives one empty row.
SELECT DISTINCT k.user_id, asset.asset, a.account, a.balance, a.held
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, order_id uuid)
JOIN orders o ON o.user_id = k.user_id AND o.order_id = k.order_id
CROSS JOIN LATERAL (VALUES ('INR'), (o.security_id)) AS asset (asset)
LEFT JOIN accounts a ON a.user_id = k.user_id AND a.account = ANY(%(accounts)s::text[]) AND a.asset = asset.asset

-- name: load_balances
SELECT a.user_id, a.asset, a.account, a.balance, a.held
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, asset text)
JOIN accounts a ON a.user_id = k.user_id AND a.account = ANY(%(accounts)s::text[]) AND a.asset = k.asset

-- name: load_entries
-- Those without an order: fills are known by their trades.
SELECT DISTINCT t.user_id, t.entry_id
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, entry_id uuid)
JOIN transfers t ON t.user_id = k.user_id AND t.entry_id = k.entry_id AND t.order_id IS NULL
UNION
SELECT t.user_id, t.entry_id
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, entry_id uuid)
JOIN transfers t ON k.user_id IS NULL AND t.user_id IS NULL AND t.entry_id = k.entry_id AND t.order_id IS NULL

-- name: load_costs
-- Whole, because what is brought in comes before every trade.
SELECT k.user_id, k.asset, '0001-01-01'::text, '0001-01-01'::timestamptz, {cost_columns},
       (SELECT json_agg({costed_trade} ORDER BY t.trade_date, t.executed_at)
        FROM trades t
        WHERE t.user_id = k.user_id AND t.security_id = k.asset AND t.bought_before IS NOT NULL)
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, asset text)
LEFT JOIN costs c ON c.user_id = k.user_id AND c.security_id = k.asset

-- name: load_answers
SELECT a.user_id, a.idempotency_key, a.order_id, a.fingerprint, a.answer_status, a.answer_body
FROM json_to_recordset(%(claims)s::json) AS k (user_id uuid, idempotency_key text)
JOIN order_answers a ON a.user_id = k.user_id AND a.idempotency_key = k.idempotency_key AND a.order_id >= %(since)s

-- name: load_client_order_ids
SELECT o.user_id, o.client_order_id, o.order_id
FROM json_to_recordset(%(claims)s::json) AS k (user_id uuid, client_order_id text)
JOIN orders o ON o.user_id = k.user_id AND o.client_order_id = k.client_order_id

-- name: write_users
UPDATE users u SET next_sequence = n.next_sequence
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, next_sequence bigint)
WHERE u.user_id = n.user_id

-- name: insert_orders
INSERT INTO orders ({new_columns})
SELECT {new_columns}
FROM json_to_recordset(%(rows)s::json) AS n ({new_record})

-- name: insert_answers
INSERT INTO order_answers (user_id, order_id, idempotency_key, fingerprint, answer_status, answer_body)
SELECT user_id, order_id, idempotency_key, decode(fingerprint, 'hex'), answer_status, answer_body
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, order_id uuid, idempotency_key text, fingerprint text,
    answer_status smallint, answer_body text)

-- name: enqueue_orders
INSERT INTO dispatch_queue (user_id, order_id, accepted_at)
SELECT user_id, order_id, accepted_at
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, order_id uuid, accepted_at timestamptz)

-- name: update_orders
UPDATE orders o SET {moves}
FROM json_to_recordset(%(rows)s::json) AS n ({moving_record})
WHERE o.user_id = n.user_id AND o.order_id = n.order_id

-- name: remove_deadlines
DELETE FROM order_deadlines d
USING json_to_recordset(%(rows)s::json) AS n (deadline timestamptz, user_id uuid, order_id uuid)
WHERE d.deadline = n.deadline AND d.user_id = n.user_id AND d.order_id = n.order_id

-- name: insert_deadlines
INSERT INTO order_deadlines (deadline, user_id, order_id)
SELECT deadline, user_id, order_id
FROM json_to_recordset(%(rows)s::json) AS n (deadline timestamptz, user_id uuid, order_id uuid)

-- name: insert_events
INSERT INTO order_events (user_id, order_id, revision, version, event, state, detail, at)
SELECT user_id, order_id, revision, version, event, state, detail, %(at)s
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, order_id uuid, revision integer, version integer, event text,
    state text, detail json)

-- name: insert_accounts
INSERT INTO accounts AS a (user_id, account, asset, balance, held)
SELECT user_id, account, asset, balance, held
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, account text, asset text, balance bigint, held bigint)
ON CONFLICT (user_id, account, asset) DO UPDATE SET balance = excluded.balance, held = excluded.held

-- name: update_accounts
UPDATE accounts a SET balance = n.balance, held = n.held
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, account text, asset text, balance bigint, held bigint)
WHERE a.user_id = n.user_id AND a.account = n.account AND a.asset = n.asset

-- name: insert_holds
INSERT INTO holds (user_id, source, source_id, request_id, account, asset, amount, captured, released)
SELECT user_id, source, source_id, request_id, account, asset, amount, captured, released
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, source text, source_id uuid, request_id uuid, account text,
    asset text, amount bigint, captured bigint, released bigint)

-- name: update_holds
UPDATE holds h SET amount = n.amount, captured = n.captured, released = n.released
FROM json_to_recordset(%(rows)s::json) AS n (source_id uuid, request_id uuid, source text, amount bigint,
    captured bigint, released bigint)
WHERE h.source_id = n.source_id AND h.request_id = n.request_id AND h.source = n.source

-- name: insert_transfers
INSERT INTO transfers (user_id, entry_id, debit_account, credit_account, asset, amount, reason, source, order_id,
    booked_at, market_date)
SELECT user_id, entry_id, debit, credit, asset, amount, reason, source, order_id, %(at)s,
       ((%(at)s::timestamptz + coalesce((SELECT offset_us FROM market_clock), 0) * interval '1 microsecond')
        AT TIME ZONE 'Asia/Kolkata')::date
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, entry_id uuid, debit text, credit text, asset text,
    amount bigint, reason text, source text, order_id uuid)

-- name: write_fills
-- What was traded, the sums of the day, and what the securities cost now. One statement, because each has its price.
WITH traded AS (
    INSERT INTO trades (trade_date, venue, exec_id, user_id, order_id, instrument_id, security_id, product, side,
        quantity, price, notional, charges, match_id, executed_at, booked_at, bought_before, sold_before, cost_before)
    SELECT trade_date, venue, exec_id, user_id, order_id, instrument_id, security_id, product, side,
        quantity, price, notional, charges, match_id, executed_at, %(at)s, bought_before, sold_before, cost_before
    FROM json_to_recordset(%(trades)s::json) AS n (trade_date date, venue text, exec_id text, user_id uuid,
        order_id uuid, instrument_id text, security_id text, product text, side text, quantity bigint, price bigint,
        notional bigint, charges jsonb, match_id text, executed_at timestamptz, bought_before bigint,
        sold_before bigint, cost_before numeric)
), moved AS (
    INSERT INTO positions AS p (user_id, trade_date, instrument_id, product, buy_quantity, buy_value, sell_quantity,
        sell_value, charges)
    SELECT user_id, trade_date, instrument_id, product, buy_quantity, buy_value, sell_quantity, sell_value, charges
    FROM json_to_recordset(%(positions)s::json) AS n (user_id uuid, trade_date date, instrument_id text, product text,
        buy_quantity bigint, buy_value bigint, sell_quantity bigint, sell_value bigint, charges bigint)
    ON CONFLICT (user_id, trade_date, instrument_id, product) DO UPDATE SET
        buy_quantity = p.buy_quantity + excluded.buy_quantity, buy_value = p.buy_value + excluded.buy_value,
        sell_quantity = p.sell_quantity + excluded.sell_quantity, sell_value = p.sell_value + excluded.sell_value,
        charges = p.charges + excluded.charges
)
INSERT INTO costs (user_id, security_id, opening_quantity, opening_value, bought, sold, cost, last_trade_date,
    last_executed_at)
SELECT user_id, asset, opening_quantity, opening_value, bought, sold, cost, last_trade_date, last_executed_at
FROM json_to_recordset(%(costs)s::json) AS n (user_id uuid, asset text, opening_quantity bigint,
    opening_value bigint, bought bigint, sold bigint, cost numeric, last_trade_date date, last_executed_at timestamptz)
ON CONFLICT (user_id, security_id) DO UPDATE SET
    opening_quantity = excluded.opening_quantity, opening_value = excluded.opening_value, bought = excluded.bought,
    sold = excluded.sold, cost = excluded.cost, last_trade_date = excluded.last_trade_date,
    last_executed_at = excluded.last_executed_at

-- name: restate_trades
-- Trades that an earlier one came after.
UPDATE trades t SET bought_before = n.bought_before, sold_before = n.sold_before, cost_before = n.cost_before
FROM json_to_recordset(%(rows)s::json) AS n (venue text, trade_date date, exec_id text, bought_before bigint,
    sold_before bigint, cost_before numeric)
WHERE t.venue = n.venue AND t.trade_date = n.trade_date AND t.exec_id = n.exec_id

-- name: insert_effects
INSERT INTO effects (user_id, sequence, created_at, facts)
SELECT user_id, sequence, %(at)s, facts
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, sequence bigint, facts json)

-- name: insert_effects_outbox
INSERT INTO effects_outbox (commit_id, created_at, users, sequences)
VALUES (%(commit_id)s, %(at)s, %(users)s, %(sequences)s)

-- name: insert_steps
INSERT INTO saga_steps (saga_id, at, step, outcome, detail, orders)
SELECT saga_id, %(at)s, step, outcome, detail, orders
FROM json_to_recordset(%(rows)s::json) AS n (saga_id uuid, step text, outcome text, detail text, orders uuid[])

-- name: insert_outbox
INSERT INTO exchange_outbox (message_id, lane, body, created_at)
SELECT message_id, lane, body, %(at)s
FROM json_to_recordset(%(rows)s::json) AS n (message_id uuid, lane text, body text)
ON CONFLICT (message_id) DO NOTHING

-- name: insert_parked
INSERT INTO parked_reports (fingerprint, body, reason, order_id, parked_at)
SELECT decode(fingerprint, 'hex'), body, reason, order_id, %(at)s
FROM json_to_recordset(%(rows)s::json) AS n (fingerprint text, body text, reason text, order_id uuid)
ON CONFLICT (fingerprint) DO NOTHING

-- name: insert_doubts
INSERT INTO in_doubt AS d (user_id, order_id, since, evidence)
SELECT user_id, order_id, %(at)s, evidence
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, order_id uuid, evidence jsonb)
ON CONFLICT (user_id, order_id) DO UPDATE SET evidence = excluded.evidence, resolved_at = NULL, resolved_by = NULL,
    resolution = NULL, reference = NULL, venue_consulted = NULL, venue_status = NULL

-- name: settle_doubts
UPDATE in_doubt d SET resolved_at = %(at)s, resolved_by = n.resolved_by, resolution = n.resolution,
    reference = n.reference, venue_consulted = n.venue_consulted, venue_status = n.venue_status
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, order_id uuid, resolved_by uuid, resolution text,
    reference text, venue_consulted boolean, venue_status text)
WHERE d.user_id = n.user_id AND d.order_id = n.order_id AND d.resolved_at IS NULL

-- name: close_doubts
-- The exchange's own late answer; an operator's settlement has been written before.
UPDATE in_doubt d SET resolved_at = %(at)s, resolution = 'ANSWERED_BY_EXCHANGE'
FROM json_to_recordset(%(rows)s::json) AS n (user_id uuid, order_id uuid)
WHERE d.user_id = n.user_id AND d.order_id = n.order_id AND d.resolved_at IS NULL

-- name: count_submitted
UPDATE sagas s SET unanswered = coalesce(s.unanswered, 0) + n.orders
FROM json_to_recordset(%(rows)s::json) AS n (saga_id uuid, orders integer)
WHERE s.saga_id = n.saga_id

-- name: count_answered
-- A list that was submitted in parts is answered when none of it waits to be submitted any more.
WITH locked AS (
    SELECT s.saga_id, n.orders
    FROM json_to_recordset(%(rows)s::json) AS n (saga_id uuid, orders integer) JOIN sagas s ON s.saga_id = n.saga_id
    ORDER BY s.saga_id FOR NO KEY UPDATE OF s
), counted AS (
    UPDATE sagas s SET unanswered = s.unanswered - locked.orders
    FROM locked WHERE s.saga_id = locked.saga_id AND s.unanswered IS NOT NULL
    RETURNING s.saga_id, s.unanswered, s.finished_at
)
INSERT INTO saga_signals (saga_id, created_at)
SELECT saga_id, %(at)s FROM counted
WHERE unanswered = 0 AND finished_at IS NULL
  AND NOT EXISTS (
      SELECT FROM saga_orders m JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
      WHERE m.saga_id = counted.saga_id AND o.state IN ('ACCEPTED', 'HELD'))
ON CONFLICT (saga_id) DO NOTHING
RETURNING saga_id
