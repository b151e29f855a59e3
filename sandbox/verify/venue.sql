-- name: trades
SELECT trade_date::text AS trade_date, exec_id, venue, user_id::text AS account, order_id::text AS order_id,
       instrument_id, side, match_id, quantity, price
FROM trades

-- name: working
SELECT {order_columns},
       coalesce((SELECT sum(h.amount - h.captured - h.released) FROM holds h
                 WHERE h.user_id = o.user_id AND h.source = 'ORDER' AND h.source_id = o.order_id), 0)::bigint
           AS open_hold
FROM orders o
WHERE o.state IN ('NEW', 'PARTIALLY_FILLED') AND o.final_quantity IS NULL

-- name: doubted
SELECT order_id::text AS order_id FROM orders WHERE in_doubt

-- name: venue_executions
SELECT body FROM report WHERE exec_type = 'TRADE'

-- name: venue_live
-- An order is live while its newest report leaves it working.
SELECT body FROM (
    SELECT DISTINCT ON (order_id) body FROM report
    WHERE report_sequence IS NOT NULL ORDER BY order_id, report_sequence DESC
) AS newest
WHERE body ->> 'order_status' IN ('NEW', 'PARTIALLY_FILLED')
