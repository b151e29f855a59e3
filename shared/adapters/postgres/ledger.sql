-- Sums over the whole ledger. They look across users, so they ask for the plans that suit sums.

-- name: plan_for_sums
SELECT set_config(name, 'on', true)
FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name

-- name: ledger_sums
-- One snapshot: the checkpoint holds every transfer whose transaction is older than `xact`, the tail all others.
WITH checkpoint AS (
    SELECT coalesce((SELECT xact FROM ledger_checkpoint), '0'::xid8) AS xact
), tail AS MATERIALIZED (
    SELECT debit_account, credit_account, asset, sum(amount) AS amount
    -- Bounded on both sides: the planner takes that for few rows, and so for the index.
    FROM transfers WHERE xact >= (SELECT xact FROM checkpoint) AND xact <= '18446744073709551615'::xid8
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
    -- No further than one transaction and `most` transfers, so that one statement's work is bounded.
    SELECT least(pg_snapshot_xmin(pg_current_snapshot()),
                 (SELECT t.xact FROM transfers t
                  WHERE t.xact > (SELECT min(xact) FROM transfers WHERE xact >= (SELECT xact FROM previous))
                  ORDER BY t.xact OFFSET %(most)s LIMIT 1)) AS xact
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
RETURNING horizon.xact < pg_snapshot_xmin(pg_current_snapshot())
