-- What the facts of effects refer to.

-- name: trades
SELECT t.venue, t.trade_date::text, t.exec_id, t.order_id, t.user_id, t.instrument_id, t.side, t.quantity, t.price,
       t.charges, t.executed_at
FROM json_to_recordset(%(keys)s::json) AS k (venue text, trade_date date, exec_id text)
JOIN trades t ON t.venue = k.venue AND t.trade_date = k.trade_date AND t.exec_id = k.exec_id
