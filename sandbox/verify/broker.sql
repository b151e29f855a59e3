-- Every statement returns the rows that must not exist. `iNN_` names the invariant; `_settling` marks what a
-- running system breaks for moments. Parameters: as_of (the present), late (grace for deadlines), at_rest, cutoff
-- (since when waiting is too long).

-- name: i01_transfers_move_a_known_asset_between_known_accounts
SELECT user_id, transfer_no, debit_account, credit_account, asset, amount
FROM transfers
WHERE amount <= 0 OR debit_account = credit_account
   OR debit_account <> ALL(%(accounts)s) OR credit_account <> ALL(%(accounts)s)
   OR (asset <> 'INR' AND (debit_account = ANY(%(cash_only)s) OR credit_account = ANY(%(cash_only)s)))
   OR (asset = 'INR' AND (debit_account = ANY(%(shares_only)s) OR credit_account = ANY(%(shares_only)s)))

-- name: i01_an_entry_is_one_transaction_of_one_source
SELECT user_id, entry_id, count(*) AS lines, count(DISTINCT booked_at) AS times, count(DISTINCT xact) AS transactions
FROM transfers
GROUP BY user_id, entry_id
HAVING count(DISTINCT booked_at) > 1 OR count(DISTINCT xact) > 1
    OR count(DISTINCT coalesce(order_id, '00000000-0000-0000-0000-000000000000')) > 1 OR count(DISTINCT source) > 1

-- name: i02_client_balances_equal_their_transfers
WITH legs AS (
    SELECT user_id, credit_account AS account, asset, amount FROM transfers WHERE credit_account LIKE 'client.%%'
    UNION ALL
    SELECT user_id, debit_account, asset, -amount FROM transfers WHERE debit_account LIKE 'client.%%'
), replayed AS (
    SELECT user_id, account, asset, sum(amount) AS balance FROM legs GROUP BY user_id, account, asset
)
SELECT user_id, account, asset, coalesce(a.balance, 0) AS stored, coalesce(replayed.balance, 0) AS replayed
FROM accounts a FULL JOIN replayed USING (user_id, account, asset)
WHERE coalesce(a.balance, 0) <> coalesce(replayed.balance, 0)

-- name: i02_the_checkpoint_equals_its_transfers
WITH legs AS (
    SELECT credit_account AS account, asset, amount FROM transfers
    WHERE xact < (SELECT xact FROM ledger_checkpoint)
    UNION ALL
    SELECT debit_account, asset, -amount FROM transfers WHERE xact < (SELECT xact FROM ledger_checkpoint)
), replayed AS (
    SELECT account, asset, sum(amount) AS balance FROM legs GROUP BY account, asset
)
SELECT account, asset, coalesce(b.balance, 0) AS stored, coalesce(replayed.balance, 0) AS replayed
FROM ledger_checkpoint_balances b FULL JOIN replayed USING (account, asset)
WHERE coalesce(b.balance, 0) <> coalesce(replayed.balance, 0)

-- name: i02_cash_and_shares_are_conserved_from_the_deposits
-- What clients and house have now is what came in from outside, asset by asset.
WITH clients AS (
    SELECT asset, sum(balance) AS amount FROM accounts GROUP BY asset
), house AS (
    SELECT asset, sum(CASE WHEN credit_account LIKE 'client.%%' OR credit_account LIKE 'external.%%' THEN 0
                           ELSE amount END)
                - sum(CASE WHEN debit_account LIKE 'client.%%' OR debit_account LIKE 'external.%%' THEN 0
                           ELSE amount END) AS amount
    FROM transfers GROUP BY asset
), deposits AS (
    SELECT asset, sum(CASE WHEN debit_account LIKE 'external.%%' THEN amount ELSE 0 END)
                - sum(CASE WHEN credit_account LIKE 'external.%%' THEN amount ELSE 0 END) AS amount
    FROM transfers GROUP BY asset
)
SELECT asset, clients.amount AS clients, house.amount AS house, deposits.amount AS deposited
FROM clients FULL JOIN house USING (asset) FULL JOIN deposits USING (asset)
WHERE coalesce(clients.amount, 0) + coalesce(house.amount, 0) <> coalesce(deposits.amount, 0)

-- name: i02_orders_never_create_money_or_shares
SELECT user_id, transfer_no, order_id, debit_account, credit_account, asset, amount
FROM transfers
WHERE (debit_account LIKE 'external.%%' OR credit_account LIKE 'external.%%') AND order_id IS NOT NULL

-- name: i03_an_account_holds_the_sum_of_its_open_holds
WITH open AS (
    SELECT user_id, account, asset, sum(amount - captured - released) AS held FROM holds GROUP BY user_id, account, asset
)
SELECT user_id, account, asset, coalesce(a.held, 0) AS stored, coalesce(open.held, 0) AS open_holds
FROM accounts a FULL JOIN open USING (user_id, account, asset)
WHERE coalesce(a.held, 0) <> coalesce(open.held, 0)

-- name: i03_a_hold_captures_and_releases_at_most_its_amount
SELECT user_id, source, source_id, request_id, amount, captured, released
FROM holds WHERE amount <= 0 OR captured < 0 OR released < 0 OR captured + released > amount

-- name: i03_a_hold_captured_exactly_what_its_trades_cost
WITH booked AS (
    SELECT user_id, order_id, side,
           sum(CASE side WHEN 'BUY'
                   THEN notional + (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(charges))
                   ELSE quantity END) AS cost
    FROM trades GROUP BY user_id, order_id, side
), captured AS (
    SELECT user_id, source_id AS order_id, sum(captured) AS captured FROM holds WHERE source = 'ORDER'
    GROUP BY user_id, source_id
)
SELECT user_id, order_id, coalesce(captured.captured, 0) AS captured, coalesce(booked.cost, 0) AS trades_cost
FROM captured FULL JOIN booked USING (user_id, order_id)
WHERE coalesce(captured.captured, 0) <> coalesce(booked.cost, 0)

-- name: i04_terminal_orders_hold_nothing
SELECT h.user_id, h.source_id AS order_id, o.state, h.amount, h.captured, h.released
FROM holds h LEFT JOIN orders o ON o.user_id = h.user_id AND o.order_id = h.source_id
WHERE h.source = 'ORDER' AND h.captured + h.released < h.amount
  AND (o.state IS NULL OR o.state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED'))

-- name: i04_working_orders_have_a_hold
SELECT o.user_id, o.order_id, o.state
FROM orders o LEFT JOIN holds h ON h.user_id = o.user_id AND h.source = 'ORDER' AND h.source_id = o.order_id
WHERE o.state IN ('HELD', 'SUBMITTED', 'NEW', 'PARTIALLY_FILLED') AND h.source_id IS NULL

-- name: i05_available_is_not_negative
SELECT user_id, account, asset, balance, held FROM accounts WHERE held < 0 OR balance < held

-- name: i05_the_database_refuses_negative_balances
SELECT wanted.name AS missing_constraint
FROM unnest(ARRAY['available_is_never_negative', 'accounts_held_check']) AS wanted (name)
LEFT JOIN pg_constraint c ON c.conname = wanted.name AND c.conrelid = 'accounts'::regclass AND c.convalidated
WHERE c.conname IS NULL

-- name: i05_no_balance_was_ever_negative
-- A user's transfers are numbered under the user's lock, so their order is the order of commits.
WITH legs AS (
    SELECT user_id, credit_account AS account, asset, amount, transfer_no, xact FROM transfers
    WHERE credit_account LIKE 'client.%%'
    UNION ALL
    SELECT user_id, debit_account, asset, -amount, transfer_no, xact FROM transfers
    WHERE debit_account LIKE 'client.%%'
), commits AS (
    SELECT user_id, account, asset, xact, max(transfer_no) AS transfer_no, sum(amount) AS change
    FROM legs GROUP BY user_id, account, asset, xact
), running AS (
    SELECT user_id, account, asset, transfer_no,
           sum(change) OVER (PARTITION BY user_id, account, asset ORDER BY transfer_no) AS balance
    FROM commits
)
SELECT user_id, account, asset, transfer_no, balance FROM running WHERE balance < 0

-- name: i06_one_order_per_idempotency_key
-- A key may be used again when its answer is past its retention.
SELECT user_id, idempotency_key, order_id, earlier
FROM (SELECT user_id, idempotency_key, order_id,
             lag(order_id) OVER (PARTITION BY user_id, idempotency_key ORDER BY order_id) AS earlier
      FROM order_answers) AS answers
WHERE coalesce(uuid_extract_timestamp(order_id) - uuid_extract_timestamp(earlier) < interval '7 days',
               earlier IS NOT NULL)

-- name: i06_one_order_per_client_order_id
SELECT user_id, client_order_id, count(*) AS orders, min(order_id::text) AS one, max(order_id::text) AS other
FROM orders WHERE client_order_id IS NOT NULL
GROUP BY user_id, client_order_id HAVING count(*) > 1

-- name: i06_an_order_id_belongs_to_one_user
SELECT order_id, count(*) AS users FROM orders GROUP BY order_id HAVING count(*) > 1

-- name: i06_the_stored_answer_is_the_verdict_on_record
SELECT user_id, order_id, a.idempotency_key, a.answer_status, e.event, e.state
FROM (SELECT user_id, order_id, event, state FROM order_events WHERE revision = 1) AS e
FULL JOIN orders o USING (user_id, order_id)
FULL JOIN order_answers a USING (user_id, order_id)
WHERE e.event IS NULL OR e.event NOT IN ('Accepted', 'Refused') OR o.order_id IS NULL
   OR a.order_id IS NOT NULL AND (
       a.answer_status <> CASE e.event WHEN 'Accepted' THEN 202 WHEN 'Refused' THEN 422 END
       OR a.answer_body IS NOT JSON OBJECT
       OR (a.answer_status = 202 AND strpos(a.answer_body, order_id::text) = 0))

-- name: i08_every_open_order_has_an_owner_and_a_deadline_not_long_past
SELECT user_id, order_id, state, owner, deadline, in_doubt
FROM orders
WHERE state NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED')
  AND (owner = 'NOBODY' OR deadline IS NULL AND owner <> 'DISPATCHER'
       OR coalesce(deadline, accepted_at) < %(as_of)s::timestamptz - %(late)s::interval AND NOT in_doubt)

-- name: i08_deadlines_at_the_exchange_are_watched
SELECT user_id, order_id, o.deadline, d.deadline AS watched
FROM (SELECT user_id, order_id, deadline FROM orders
      WHERE owner IN ('VENUE', 'RECOVERY', 'OPERATIONS') AND deadline IS NOT NULL) AS o
FULL JOIN order_deadlines d USING (user_id, order_id)
WHERE o.deadline IS DISTINCT FROM d.deadline

-- name: i08_ended_orders_have_neither_owner_nor_deadline
SELECT user_id, order_id, state, owner, deadline, pending_request, in_doubt
FROM orders
WHERE state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED')
  AND (owner <> 'NOBODY' OR deadline IS NOT NULL OR pending_request IS NOT NULL OR in_doubt)

-- name: i08_a_waiting_order_is_in_one_queue_or_one_saga
SELECT o.user_id, o.order_id, o.owner,
       (SELECT count(*) FROM dispatch_queue q WHERE q.user_id = o.user_id AND q.order_id = o.order_id) AS queued,
       (SELECT count(*) FROM saga_orders m JOIN sagas s USING (saga_id)
        WHERE m.user_id = o.user_id AND m.order_id = o.order_id AND s.finished_at IS NULL) AS taken
FROM orders o
WHERE o.state = 'ACCEPTED'
  AND (SELECT count(*) FROM dispatch_queue q WHERE q.user_id = o.user_id AND q.order_id = o.order_id)
    + (SELECT count(*) FROM saga_orders m JOIN sagas s USING (saga_id)
       WHERE m.user_id = o.user_id AND m.order_id = o.order_id AND s.finished_at IS NULL) <> 1

-- name: i08_a_sagas_order_is_a_member_of_that_saga
SELECT o.user_id, o.order_id, o.state, o.owner, o.saga_id, s.finished_at
FROM orders o
LEFT JOIN saga_orders m ON m.saga_id = o.saga_id AND m.user_id = o.user_id AND m.order_id = o.order_id
LEFT JOIN sagas s ON s.saga_id = m.saga_id
-- A saga is kept for 14 days after its start, and until it has finished.
WHERE (o.saga_id IS NOT NULL AND s.saga_id IS NULL
       AND coalesce(uuid_extract_timestamp(o.saga_id) > %(as_of)s::timestamptz - interval '14 days', true))
   OR (o.owner = 'SAGA' AND (s.saga_id IS NULL OR s.finished_at IS NOT NULL))

-- name: i08_an_order_joins_one_saga
SELECT user_id, order_id, count(*) AS sagas FROM saga_orders GROUP BY user_id, order_id HAVING count(*) > 1

-- name: i08_sagas_count_their_orders
SELECT s.saga_id, s.orders, s.unanswered, count(m.order_id) AS members,
       count(*) FILTER (WHERE o.submitted_at IS NOT NULL AND o.answered_at IS NULL) AS open_members
FROM sagas s
LEFT JOIN saga_orders m USING (saga_id)
LEFT JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
GROUP BY s.saga_id, s.orders, s.unanswered
HAVING s.orders <> count(m.order_id)
    OR coalesce(s.unanswered, 0) <> count(*) FILTER (WHERE o.submitted_at IS NOT NULL AND o.answered_at IS NULL)

-- name: i08_doubt_is_on_the_operations_list
SELECT o.user_id, o.order_id, o.state, o.owner, o.in_doubt
FROM orders o LEFT JOIN in_doubt d ON d.user_id = o.user_id AND d.order_id = o.order_id AND d.resolved_at IS NULL
WHERE (o.in_doubt OR o.owner = 'OPERATIONS') AND (d.order_id IS NULL OR NOT o.in_doubt OR o.owner <> 'OPERATIONS')

-- name: i08_a_settled_doubt_says_who_and_why
SELECT user_id, order_id, resolved_at, resolved_by, resolution, reference
FROM in_doubt
-- A late answer of the exchange needs no operator and no reference.
WHERE resolved_at IS NOT NULL AND resolution IS DISTINCT FROM 'ANSWERED_BY_EXCHANGE'
  AND (resolved_by IS NULL OR resolution IS NULL OR reference IS NULL)

-- name: i09_finished_sagas_leave_no_order_behind
SELECT s.saga_id, o.user_id, o.order_id, o.state, o.owner
FROM sagas s
JOIN saga_orders m USING (saga_id)
LEFT JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
WHERE s.finished_at IS NOT NULL AND (o.state IS NULL OR o.state IN ('ACCEPTED', 'HELD'))

-- name: i09_a_compensated_order_is_refused_and_holds_nothing
SELECT t.saga_id, o.user_id, t.order_id, t.step, t.outcome, o.state, o.reject_code,
       h.amount - h.captured - h.released AS open_hold
FROM order_steps t
LEFT JOIN orders o ON o.order_id = t.order_id
LEFT JOIN holds h ON h.user_id = o.user_id AND h.source = 'ORDER' AND h.source_id = t.order_id
WHERE t.outcome = 'COMPENSATED'
  AND (o.state IS DISTINCT FROM 'REJECTED' OR h.captured + h.released < h.amount OR o.filled_quantity > 0)

-- name: i09_an_order_ends_once
SELECT user_id, order_id, o.state, count(*) FILTER (WHERE e.state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED')) AS ends
FROM orders o JOIN order_events e USING (user_id, order_id)
GROUP BY user_id, order_id, o.state
HAVING count(*) FILTER (WHERE e.state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED'))
    <> CASE WHEN o.state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED') THEN 1 ELSE 0 END

-- name: i10_an_order_is_the_sum_of_its_trades
WITH booked AS (
    SELECT user_id, order_id, sum(quantity) AS quantity, sum(notional) AS notional,
           sum((SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(charges))) AS charges
    FROM trades GROUP BY user_id, order_id
)
SELECT user_id, order_id, o.quantity, o.filled_quantity, booked.quantity AS traded_quantity, o.notional,
       booked.notional AS traded_notional, o.charges, booked.charges AS traded_charges
FROM orders o FULL JOIN booked USING (user_id, order_id)
WHERE o.order_id IS NULL OR o.filled_quantity > o.quantity
   OR o.filled_quantity <> coalesce(booked.quantity, 0)
   OR o.notional <> coalesce(booked.notional, 0)
   OR o.charges <> coalesce(booked.charges, 0)

-- name: i10_a_trade_fits_its_order
SELECT t.venue, t.trade_date, t.exec_id, t.order_id, t.instrument_id, t.side, t.quantity, t.price, t.notional
FROM trades t JOIN orders o ON o.user_id = t.user_id AND o.order_id = t.order_id
WHERE t.notional <> t.quantity * t.price OR t.instrument_id <> o.instrument_id OR t.side <> o.side
   OR CASE o.side WHEN 'BUY' THEN t.price > o.limit_price ELSE t.price < o.limit_price END

-- name: i11_positions_equal_the_replay_of_trades
WITH replayed AS (
    SELECT user_id, trade_date, instrument_id, product,
           coalesce(sum(quantity) FILTER (WHERE side = 'BUY'), 0) AS buy_quantity,
           coalesce(sum(notional) FILTER (WHERE side = 'BUY'), 0) AS buy_value,
           coalesce(sum(quantity) FILTER (WHERE side = 'SELL'), 0) AS sell_quantity,
           coalesce(sum(notional) FILTER (WHERE side = 'SELL'), 0) AS sell_value,
           sum((SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(charges))) AS charges
    FROM trades GROUP BY user_id, trade_date, instrument_id, product
)
SELECT user_id, trade_date, instrument_id, product, p.buy_quantity, r.buy_quantity AS traded_buy_quantity, p.buy_value,
       r.buy_value AS traded_buy_value, p.sell_quantity, r.sell_quantity AS traded_sell_quantity, p.sell_value,
       r.sell_value AS traded_sell_value, p.charges, r.charges AS traded_charges
FROM positions p FULL JOIN replayed r USING (user_id, trade_date, instrument_id, product)
WHERE (p.buy_quantity, p.buy_value, p.sell_quantity, p.sell_value, p.charges)
   IS DISTINCT FROM (r.buy_quantity, r.buy_value, r.sell_quantity, r.sell_value, r.charges)

-- name: i11_holdings_equal_what_came_in_and_was_traded
WITH owned AS (
    SELECT user_id, asset AS security_id, sum(balance) AS shares
    FROM accounts WHERE account IN ('client.holdings', 'client.unsettled_shares') GROUP BY user_id, asset
), deposited AS (
    SELECT user_id, asset AS security_id,
           sum(CASE WHEN debit_account = 'external.depository' THEN amount ELSE -amount END) AS shares
    FROM transfers
    WHERE 'external.depository' IN (debit_account, credit_account) AND user_id IS NOT NULL GROUP BY user_id, asset
), traded AS (
    SELECT user_id, security_id, sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) AS shares
    FROM trades GROUP BY user_id, security_id
), opened AS (
    SELECT user_id, security_id, opening_quantity AS shares FROM costs
)
SELECT user_id, security_id, owned.shares AS owned, deposited.shares AS deposited, traded.shares AS traded,
       opened.shares AS opening_quantity
FROM owned FULL JOIN deposited USING (user_id, security_id) FULL JOIN traded USING (user_id, security_id)
FULL JOIN opened USING (user_id, security_id)
WHERE coalesce(owned.shares, 0) <> coalesce(deposited.shares, 0) + coalesce(traded.shares, 0)
   OR coalesce(opened.shares, 0) <> coalesce(deposited.shares, 0)

-- name: i13_sequences_have_no_gap
-- Retention removes the oldest by their time, and clocks differ a little: a minute's numbers after it are not compared.
WITH cuts AS (
    SELECT u.user_id, u.next_sequence,
           CASE WHEN u.created_at > %(as_of)s::timestamptz - interval '7 days' THEN 0
                ELSE coalesce(max(e.sequence) FILTER (WHERE e.created_at < oldest.at + interval '1 minute'),
                              min(e.sequence) - 1) END AS cut
    FROM users u FULL JOIN stream e USING (user_id)
    CROSS JOIN (SELECT min(created_at) AS at FROM effects) AS oldest
    GROUP BY u.user_id, u.next_sequence, u.created_at
)
SELECT cuts.user_id, next_sequence, cut AS after, min(e.sequence) AS first, max(e.sequence) AS last,
       count(e.sequence) AS effects
FROM cuts LEFT JOIN stream e ON e.user_id = cuts.user_id AND e.sequence > cut
GROUP BY cuts.user_id, next_sequence, cut
HAVING cuts.user_id IS NULL OR count(e.sequence) <> next_sequence - 1 - cut

-- name: i13_every_visible_change_of_an_order_is_published_once
-- Both ways, by order and version; only what retention has left of the effects can be compared.
WITH published AS (
    SELECT user_id, fact ->> 'order_id' AS order_id, (fact ->> 'version')::integer AS version, count(*) AS times
    FROM stream WHERE kind = 'order' GROUP BY 1, 2, 3
), known AS (
    SELECT user_id, min(created_at) AS since FROM effects GROUP BY user_id
), changed AS (
    SELECT e.user_id, e.order_id::text AS order_id, e.version
    FROM order_events e LEFT JOIN known USING (user_id)
    GROUP BY e.user_id, e.order_id, e.version, known.since
    HAVING min(e.at) >= coalesce(known.since, %(as_of)s::timestamptz - interval '8 days')
)
SELECT user_id, order_id, version, changed.version IS NOT NULL AS changed, coalesce(published.times, 0) AS published
FROM changed FULL JOIN published USING (user_id, order_id, version)
WHERE coalesce(published.times, 0) <> 1 OR changed.order_id IS NULL

-- name: i13_every_trade_is_published_once
WITH published AS (
    SELECT user_id, fact ->> 'trade_id' AS trade_id, count(*) AS times
    FROM stream WHERE kind = 'trade' GROUP BY 1, 2
), known AS (
    SELECT user_id, min(created_at) AS since FROM effects GROUP BY user_id
), booked AS (
    SELECT t.user_id, t.venue || '/' || t.trade_date || '/' || t.exec_id AS trade_id
    FROM trades t LEFT JOIN known USING (user_id)
    WHERE t.booked_at >= coalesce(known.since, %(as_of)s::timestamptz - interval '8 days')
)
SELECT user_id, trade_id, booked.trade_id IS NOT NULL AS booked, coalesce(published.times, 0) AS published
FROM booked FULL JOIN published USING (user_id, trade_id)
WHERE coalesce(published.times, 0) <> 1 OR booked.trade_id IS NULL

-- name: i13_the_last_balance_published_is_the_balance
WITH published AS (
    SELECT DISTINCT ON (e.user_id, account, asset) e.user_id, b.now ->> 0 AS account, b.now ->> 1 AS asset,
           (b.now ->> 2)::bigint AS balance, (b.now ->> 3)::bigint AS held
    FROM stream e CROSS JOIN json_array_elements(e.fact -> 'balances') AS b (now)
    WHERE e.kind = 'balances' ORDER BY e.user_id, account, asset, e.sequence DESC
)
SELECT user_id, account, asset, a.balance, a.held, p.balance AS published_balance, p.held AS published_held
FROM published p JOIN accounts a USING (user_id, account, asset)
WHERE p.balance <> a.balance OR p.held <> a.held

-- name: i17_outboxes_are_empty_settling
-- On a running system only what has waited since `cutoff`; `oldest` names the row that is stuck.
SELECT outbox, min(created_at) AS oldest
FROM (SELECT 'exchange_outbox' AS outbox, created_at FROM exchange_outbox
      UNION ALL SELECT 'saga_signals', created_at FROM saga_signals
      UNION ALL SELECT 'effects', created_at FROM effects_outbox) AS unsent
WHERE created_at <= %(cutoff)s
GROUP BY outbox

-- name: i17_rows_have_their_partition_settling
-- Partitions are made ahead; what came before its own is moved there within minutes.
SELECT 'effects' AS "table", user_id AS id FROM effects_default
UNION ALL SELECT 'order_answers', order_id FROM order_answers_default
UNION ALL SELECT 'sagas', saga_id FROM sagas_default
UNION ALL SELECT 'saga_orders', order_id FROM saga_orders_default
UNION ALL SELECT 'saga_steps', saga_id FROM saga_steps_default

-- name: i17_nothing_waits_and_no_saga_runs_settling
-- An order that the exchange does not answer is its recovery's for a while, so here only a system at rest counts.
SELECT 'dispatch_queue' AS waiting, min(accepted_at) AS oldest FROM dispatch_queue
WHERE accepted_at <= %(cutoff)s HAVING count(*) > 0
UNION ALL
SELECT 'sagas', min(taken_at) FROM sagas
WHERE finished_at IS NULL AND CASE WHEN %(at_rest)s THEN true ELSE deadline <= %(cutoff)s END HAVING count(*) > 0
UNION ALL
SELECT 'orders in ' || state, min(accepted_at) FROM orders
WHERE %(at_rest)s AND state IN ('ACCEPTED', 'HELD', 'SUBMITTED') AND NOT in_doubt GROUP BY state
