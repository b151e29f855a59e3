-- Each security of each user: how its cost is stored (`placed` 0), then its delivered trades in the venue's order.

-- name: costs
SELECT * FROM (
    SELECT user_id, security_id, 0 AS placed, last_trade_date AS trade_date, last_executed_at AS executed_at,
           NULL AS exec_id, NULL AS venue, NULL AS side, opening_quantity AS quantity, opening_value AS value, bought, sold,
           cost
    FROM costs
    UNION ALL
    SELECT user_id, security_id, 1, trade_date, executed_at, exec_id, venue, side, quantity, notional, bought_before,
           sold_before, cost_before
    FROM trades WHERE product = ANY(%(delivered)s) OR bought_before IS NOT NULL
) AS lines
ORDER BY user_id, security_id, placed, trade_date, executed_at, exec_id COLLATE "C", venue COLLATE "C"
