-- A client's trades, newest first, by index.

-- name: trades
-- One condition bounds the newest trade, so that the index is entered there.
SELECT user_id, order_id, venue, trade_date, exec_id, instrument_id, side, quantity, price, notional, charges,
       executed_at
FROM trades
WHERE user_id = %(user_id)s
  AND trade_date >= %(from_date)s
  AND (trade_date, executed_at, exec_id, venue) < (%(trade_date)s, %(executed_at)s, %(exec_id)s, %(venue)s)
ORDER BY trade_date DESC, executed_at DESC, exec_id DESC, venue DESC
LIMIT %(limit)s

-- name: trades_of_instrument
SELECT user_id, order_id, venue, trade_date, exec_id, instrument_id, side, quantity, price, notional, charges,
       executed_at
FROM trades
WHERE user_id = %(user_id)s AND instrument_id = %(instrument_id)s
  AND trade_date >= %(from_date)s
  AND (trade_date, executed_at, exec_id, venue) < (%(trade_date)s, %(executed_at)s, %(exec_id)s, %(venue)s)
ORDER BY trade_date DESC, executed_at DESC, exec_id DESC, venue DESC
LIMIT %(limit)s
