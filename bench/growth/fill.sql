-- A history of any length: finished orders of every kind are copied, with everything that belongs to them.

-- name: kinds
-- The orders to copy, and how many copies each gets. A copy is a UUIDv7 of its own time,
-- spread evenly over the last six days before today.
CREATE TEMPORARY TABLE copies AS
SELECT o.user_id, o.order_id AS original, k.copy, row_number() OVER (ORDER BY k.copy, o.order_id) AS number,
       uuidv7(-span.age) AS order_id, uuidv7(-span.age) AS saga_id, span.age,
       -- one of two instruments, and now and then one that is rare
       CASE WHEN k.copy %% 500 = 7 THEN 'NSE:RARE' ELSE 'NSE:SOME' || k.copy %% 2 END AS instrument_id
FROM orders o
CROSS JOIN generate_series(1, %(copies)s) AS k (copy)
CROSS JOIN LATERAL (SELECT interval '1 day' + interval '5 days' * (1 - k.copy::float8 / %(copies)s) AS age) AS span
WHERE o.ended_as <> '' AND o.user_id = ANY(%(users)s::uuid[])

-- name: index
CREATE INDEX ON copies (user_id, original)

-- name: orders
INSERT INTO orders ({order_names})
SELECT {copied_columns} FROM copies c JOIN orders o ON o.user_id = c.user_id AND o.order_id = c.original

-- name: order_events
INSERT INTO order_events (user_id, order_id, version, event, state, detail, at, revision)
SELECT e.user_id, c.order_id, e.version, e.event, e.state,
       replace(e.detail::text, c.original::text, c.order_id::text)::json, e.at - c.age, e.revision
FROM copies c JOIN order_events e ON e.user_id = c.user_id AND e.order_id = c.original

-- name: order_answers
INSERT INTO order_answers (user_id, order_id, idempotency_key, fingerprint, answer_status, answer_body)
SELECT a.user_id, c.order_id, c.order_id::text, a.fingerprint, a.answer_status,
       replace(a.answer_body, c.original::text, c.order_id::text)
FROM copies c JOIN order_answers a ON a.user_id = c.user_id AND a.order_id = c.original

-- name: holds
INSERT INTO holds (user_id, source, source_id, request_id, account, asset, amount, captured, released)
SELECT h.user_id, h.source, c.order_id, c.order_id, h.account, h.asset, h.amount, h.captured, h.released
FROM copies c JOIN holds h ON h.user_id = c.user_id AND h.source = 'ORDER' AND h.source_id = c.original

-- name: transfers
INSERT INTO transfers (user_id, entry_id, debit_account, credit_account, asset, amount, reason, source, order_id,
                       booked_at, market_date)
SELECT t.user_id, overlay(c.order_id::text PLACING right(t.entry_id::text, 8) FROM 29)::uuid, t.debit_account,
       t.credit_account, t.asset, t.amount, t.reason, t.source, c.order_id, t.booked_at - c.age,
       (t.market_date - c.age)::date
FROM copies c JOIN transfers t ON t.user_id = c.user_id AND t.order_id = c.original
ORDER BY c.number

-- name: accounts
UPDATE accounts a SET balance = moved.balance
FROM (SELECT user_id, account, asset, sum(amount) AS balance
      FROM (SELECT user_id, credit_account AS account, asset, amount FROM transfers
            UNION ALL SELECT user_id, debit_account, asset, -amount FROM transfers) AS legs
      WHERE account LIKE 'client.%%' GROUP BY user_id, account, asset) AS moved
WHERE a.user_id = moved.user_id AND a.account = moved.account AND a.asset = moved.asset

-- name: trades
INSERT INTO trades (trade_date, venue, exec_id, user_id, order_id, instrument_id, security_id, product, side, quantity,
                    price, notional, charges, match_id, executed_at, booked_at, bought_before, sold_before,
                    cost_before)
SELECT (t.executed_at - c.age)::date, t.venue, t.exec_id || '-' || c.copy, t.user_id, c.order_id, c.instrument_id,
       t.security_id, t.product, t.side, t.quantity, t.price, t.notional, t.charges, t.match_id, t.executed_at - c.age,
       t.booked_at - c.age, t.bought_before, t.sold_before, t.cost_before
FROM copies c JOIN trades t ON t.user_id = c.user_id AND t.order_id = c.original

-- name: effects
INSERT INTO effects (user_id, sequence, created_at, facts)
SELECT e.user_id, u.next_sequence - 1 + row_number() OVER (PARTITION BY e.user_id ORDER BY c.number, e.sequence),
       e.created_at - c.age,
       json_build_array(replace(e.fact::text, c.original::text, c.order_id::text)::json)
FROM copies c
JOIN users u ON u.user_id = c.user_id
JOIN stream e ON e.user_id = c.user_id AND e.kind = 'order' AND e.fact ->> 'order_id' = c.original::text

-- name: users
UPDATE users u SET next_sequence = 1 + (SELECT max(sequence) FROM effects e WHERE e.user_id = u.user_id)
WHERE u.user_id IN (SELECT user_id FROM copies)

-- name: sagas
INSERT INTO sagas (saga_id, taken_at, deadline, orders, unanswered, finished_at)
SELECT saga_id, now() - age, now() - age, 1, 0, now() - age FROM copies

-- name: saga_orders
INSERT INTO saga_orders (saga_id, user_id, order_id) SELECT saga_id, user_id, order_id FROM copies

-- name: saga_steps
INSERT INTO saga_steps (saga_id, at, step, outcome, detail, orders)
SELECT c.saga_id, t.at - c.age, t.step, t.outcome, t.detail, ARRAY[c.order_id]
FROM copies c JOIN order_steps t ON t.order_id = c.original

-- name: forget
DROP TABLE copies
