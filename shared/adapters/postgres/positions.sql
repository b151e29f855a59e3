-- Positions that fills depend on.

-- name: positions
SELECT k.user_id, k.trade_date::text, k.instrument_id, k.product, coalesce(p.buy_quantity - p.sell_quantity, 0)
FROM json_to_recordset(%(keys)s::json) AS k (user_id uuid, trade_date date, instrument_id text, product text)
LEFT JOIN positions p ON p.user_id = k.user_id AND p.trade_date = k.trade_date AND p.instrument_id = k.instrument_id
    AND p.product = k.product
