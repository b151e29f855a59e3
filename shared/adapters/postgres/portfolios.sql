-- A client's portfolio: one snapshot, every row by key. "Today" is India's date by the market's clock.

-- name: portfolio
WITH today AS MATERIALIZED (
    SELECT ((now() + coalesce((SELECT offset_us FROM market_clock), 0) * interval '1 microsecond')
            AT TIME ZONE 'Asia/Kolkata')::date AS trade_date
), owned AS (
    SELECT json_build_array(a.asset, a.settled, a.held, a.unsettled,
                            coalesce(c.bought, 0), coalesce(c.sold, 0), coalesce(c.cost, 0)) AS holding
    FROM (SELECT asset, coalesce(sum(balance) FILTER (WHERE account = 'client.holdings'), 0) AS settled,
                 coalesce(sum(held) FILTER (WHERE account = 'client.holdings'), 0) AS held,
                 coalesce(sum(balance) FILTER (WHERE account = 'client.unsettled_shares'), 0) AS unsettled
          FROM accounts
          WHERE user_id = %(user_id)s AND account IN ('client.holdings', 'client.unsettled_shares')
          GROUP BY asset) AS a
    LEFT JOIN costs c ON c.user_id = %(user_id)s AND c.security_id = a.asset
    ORDER BY a.asset
), traded AS (
    SELECT json_build_array(instrument_id, product, buy_quantity, buy_value, sell_quantity, sell_value,
                            charges) AS position
    FROM positions
    WHERE user_id = %(user_id)s AND trade_date = (SELECT trade_date FROM today)
    ORDER BY instrument_id, product
)
SELECT today.trade_date,
       (SELECT coalesce(json_agg(holding), '[]') FROM owned),
       (SELECT coalesce(json_agg(position), '[]') FROM traded)
FROM today
