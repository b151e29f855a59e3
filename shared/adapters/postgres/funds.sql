-- A client's money: each statement is one snapshot and reaches rows by index. "Today" is India's date by the market's
-- clock.

-- name: funds
-- A user's transfers are numbered under the user's lock, so today's are the newest numbers of each account, unless
-- the clock was set back: what is from a later date than today is not of today.
WITH today AS MATERIALIZED (
    SELECT ((now() + coalesce((SELECT offset_us FROM market_clock), 0) * interval '1 microsecond')
            AT TIME ZONE 'Asia/Kolkata')::date AS trade_date
), credited AS (
    SELECT line.account, line.debit_account AS from_account, sum(line.amount) AS amount
    FROM unnest(ARRAY['client.cash', 'client.unsettled_cash']) AS own (account)
    CROSS JOIN LATERAL (
        SELECT own.account, debit_account, amount FROM transfers
        WHERE user_id = %(user_id)s AND credit_account = own.account AND credit_account LIKE 'client.%%'
          AND asset = 'INR' AND market_date = (SELECT trade_date FROM today) AND transfer_no > coalesce((
              SELECT transfer_no FROM transfers
              WHERE user_id = %(user_id)s AND credit_account = own.account AND credit_account LIKE 'client.%%'
                AND asset = 'INR' AND market_date < (SELECT trade_date FROM today)
              ORDER BY transfer_no DESC LIMIT 1), 0)
    ) AS line
    GROUP BY line.account, line.debit_account
), debited AS (
    SELECT line.account, line.credit_account AS to_account, sum(line.amount) AS amount
    FROM unnest(ARRAY['client.cash', 'client.unsettled_cash']) AS own (account)
    CROSS JOIN LATERAL (
        SELECT own.account, credit_account, amount FROM transfers
        WHERE user_id = %(user_id)s AND debit_account = own.account AND debit_account LIKE 'client.%%'
          AND asset = 'INR' AND market_date = (SELECT trade_date FROM today) AND transfer_no > coalesce((
              SELECT transfer_no FROM transfers
              WHERE user_id = %(user_id)s AND debit_account = own.account AND debit_account LIKE 'client.%%'
                AND asset = 'INR' AND market_date < (SELECT trade_date FROM today)
              ORDER BY transfer_no DESC LIMIT 1), 0)
    ) AS line
    GROUP BY line.account, line.credit_account
), moved AS (
    SELECT coalesce((SELECT sum(amount) FROM credited WHERE account = 'client.cash'), 0)
           - coalesce((SELECT sum(amount) FROM debited WHERE account = 'client.cash'), 0) AS cash_change,
           coalesce((SELECT sum(amount) FROM credited WHERE from_account = 'external.bank'), 0) AS paid_in,
           coalesce((SELECT sum(amount) FROM debited WHERE to_account = 'external.bank'), 0) AS paid_out,
           coalesce((SELECT sum(amount) FROM debited WHERE account = 'client.cash' AND to_account = 'clearing'), 0)
               AS bought,
           coalesce((SELECT sum(amount) FROM credited
                     WHERE account = 'client.unsettled_cash' AND from_account = 'clearing'), 0) AS sold,
           coalesce((SELECT sum(amount) FROM debited
                     WHERE to_account IN ('house.brokerage', 'exchange.fees', 'tax')), 0) AS charges
), cash AS (
    SELECT coalesce(sum(balance) FILTER (WHERE account = 'client.cash'), 0) AS balance,
           coalesce(sum(held) FILTER (WHERE account = 'client.cash'), 0) AS held,
           coalesce(sum(balance) FILTER (WHERE account = 'client.unsettled_cash'), 0) AS unsettled
    FROM accounts
    WHERE user_id = %(user_id)s AND account IN ('client.cash', 'client.unsettled_cash') AND asset = 'INR'
), open AS MATERIALIZED (
    SELECT source, source_id, request_id, amount, captured, released FROM holds
    WHERE user_id = %(user_id)s AND account = 'client.cash' AND asset = 'INR' AND captured + released < amount
), held AS (
    SELECT coalesce(json_agg(json_build_array(h.source_id, o.instrument_id, h.amount, h.captured, h.released)
                             ORDER BY h.source_id, h.request_id), '[]') AS holds
    FROM open h JOIN orders o ON o.user_id = %(user_id)s AND o.order_id = h.source_id WHERE h.source = 'ORDER'
)
SELECT today.trade_date, cash.balance::bigint, cash.held::bigint, cash.unsettled::bigint, moved.cash_change::bigint,
       moved.paid_in::bigint, moved.paid_out::bigint, moved.bought::bigint, moved.sold::bigint, moved.charges::bigint,
       held.holds
FROM today, cash, moved, held

-- name: statement
-- Newest first. Transfers never change, so the balance after a line is the balance after the next newer one, undone.
WITH lines AS (
    (SELECT transfer_no, entry_id, booked_at, reason, order_id, debit_account AS counter_account, amount AS change
     FROM transfers
     WHERE user_id = %(user_id)s AND asset = 'INR' AND credit_account = %(account)s AND credit_account LIKE 'client.%%'
       AND transfer_no < coalesce(%(transfer_no)s::bigint, 9223372036854775807)
     ORDER BY transfer_no DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT transfer_no, entry_id, booked_at, reason, order_id, credit_account, -amount
     FROM transfers
     WHERE user_id = %(user_id)s AND asset = 'INR' AND debit_account = %(account)s AND debit_account LIKE 'client.%%'
       AND transfer_no < coalesce(%(transfer_no)s::bigint, 9223372036854775807)
     ORDER BY transfer_no DESC LIMIT %(limit)s)
    ORDER BY transfer_no DESC LIMIT %(limit)s
), newest AS (
    SELECT coalesce(%(balance)s::bigint, (SELECT balance FROM accounts
                    WHERE user_id = %(user_id)s AND account = %(account)s AND asset = 'INR'), 0) AS balance
)
SELECT transfer_no, entry_id, booked_at, reason, order_id, counter_account, change,
       (newest.balance - coalesce(sum(change) OVER (ORDER BY transfer_no DESC
                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))::bigint AS balance
FROM lines, newest
ORDER BY transfer_no DESC
