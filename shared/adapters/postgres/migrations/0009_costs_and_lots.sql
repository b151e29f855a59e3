-- What securities cost follows the venue's order of trades: each trade knows how its security stood before it, and one
-- row a user and security how it stands now. Positions are sums of one day. Cost is in trillionths of a paisa.

-- Lists of trades and late fills are found by trade date, time and execution id; no statement asks by order.
DROP INDEX trades_by_user;
DROP INDEX trades_by_order;
CREATE INDEX trades_by_user ON trades (user_id, trade_date, executed_at, exec_id, venue);
CREATE INDEX trades_by_instrument ON trades (user_id, instrument_id, trade_date, executed_at, exec_id, venue);

CREATE TABLE costs (
    user_id           uuid    NOT NULL,
    security_id       text    NOT NULL,
    opening_quantity  bigint  NOT NULL,
    opening_value     bigint  NOT NULL,
    bought            bigint  NOT NULL,
    sold              bigint  NOT NULL,
    cost              numeric NOT NULL,
    -- of the latest trade in the venue's order
    last_trade_date   date,
    last_executed_at  timestamptz,
    PRIMARY KEY (user_id, security_id)
) WITH (fillfactor = 70);

-- Null where the product delivers nothing.
ALTER TABLE trades ADD COLUMN bought_before bigint, ADD COLUMN sold_before bigint, ADD COLUMN cost_before numeric;

-- {bought, sold, cost} after a change of so many shares for so much money (paise, both negative for a sale).
CREATE FUNCTION pg_temp.standing_after(standing numeric[], change numeric, value numeric) RETURNS numeric[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[standing[1] + greatest(change, 0), standing[2] + greatest(-change, 0), CASE
        WHEN held * change >= 0 THEN standing[3] + value * 1000000000000
        WHEN held * (held + change) >= 0 THEN sign(standing[3]) * div(
            2 * abs(standing[3]) * abs(held + change) + abs(held), 2 * abs(held))
        ELSE (held + change) * div(value, change) * 1000000000000 END]
    FROM (SELECT standing[1] - standing[2] AS held) AS before
$$;
CREATE AGGREGATE pg_temp.standing (numeric, numeric) (
    sfunc = pg_temp.standing_after, stype = numeric[], initcond = '{0,0,0}');

CREATE TEMPORARY TABLE standings ON COMMIT DROP AS
WITH lines AS (
    SELECT user_id, security_id, NULL::date AS trade_date, NULL::timestamptz AS executed_at, NULL AS exec_id,
           NULL AS venue, opening_quantity AS change, opening_value AS value, 0 AS opened
    FROM (SELECT user_id, security_id, sum(opening_quantity) AS opening_quantity, sum(opening_value) AS opening_value
          FROM positions GROUP BY user_id, security_id) AS openings
    UNION ALL
    SELECT user_id, security_id, trade_date, executed_at, exec_id, venue,
           CASE side WHEN 'BUY' THEN quantity ELSE -quantity END, CASE side WHEN 'BUY' THEN notional ELSE -notional END, 1
    FROM trades WHERE product = 'CNC'
)
SELECT lines.*, pg_temp.standing(change, value) OVER (
           PARTITION BY user_id, security_id
           ORDER BY opened, trade_date, executed_at, exec_id COLLATE "C", venue COLLATE "C"
           ROWS UNBOUNDED PRECEDING) AS standing
FROM lines;

INSERT INTO costs (user_id, security_id, opening_quantity, opening_value, bought, sold, cost, last_trade_date,
    last_executed_at)
SELECT DISTINCT ON (s.user_id, s.security_id) s.user_id, s.security_id, coalesce(o.change, 0), coalesce(o.value, 0),
       s.standing[1], s.standing[2], s.standing[3], s.trade_date, s.executed_at
FROM standings s LEFT JOIN standings o ON o.opened = 0 AND o.user_id = s.user_id AND o.security_id = s.security_id
ORDER BY s.user_id, s.security_id, s.opened DESC, s.trade_date DESC, s.executed_at DESC, s.exec_id COLLATE "C" DESC,
         s.venue COLLATE "C" DESC;

UPDATE trades t SET bought_before = b.before[1], sold_before = b.before[2], cost_before = b.before[3]
FROM (SELECT venue, trade_date, exec_id, opened, coalesce(lag(standing) OVER (
                 PARTITION BY user_id, security_id
                 ORDER BY opened, trade_date, executed_at, exec_id COLLATE "C", venue COLLATE "C"),
             ARRAY[0, 0, 0]) AS before
      FROM standings) AS b
WHERE b.opened = 1 AND t.venue = b.venue AND t.trade_date = b.trade_date AND t.exec_id = b.exec_id;

-- Positions of each day instead of sums over all days.
DROP TABLE positions;
CREATE TABLE positions (
    user_id        uuid   NOT NULL,
    trade_date     date   NOT NULL,
    instrument_id  text   NOT NULL,
    product        text   NOT NULL,
    buy_quantity   bigint NOT NULL,
    buy_value      bigint NOT NULL,
    sell_quantity  bigint NOT NULL,
    sell_value     bigint NOT NULL,
    charges        bigint NOT NULL,
    PRIMARY KEY (user_id, trade_date, instrument_id, product)
) PARTITION BY HASH (user_id);
DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format('CREATE TABLE positions_%s PARTITION OF positions FOR VALUES WITH (MODULUS 8, REMAINDER %s)
                        WITH (fillfactor = 70)', part, part);
    END LOOP;
END $$;
INSERT INTO positions (user_id, trade_date, instrument_id, product, buy_quantity, buy_value, sell_quantity, sell_value,
    charges)
SELECT user_id, trade_date, instrument_id, product,
       coalesce(sum(quantity) FILTER (WHERE side = 'BUY'), 0), coalesce(sum(notional) FILTER (WHERE side = 'BUY'), 0),
       coalesce(sum(quantity) FILTER (WHERE side = 'SELL'), 0), coalesce(sum(notional) FILTER (WHERE side = 'SELL'), 0),
       sum((SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(charges)))
FROM trades GROUP BY user_id, trade_date, instrument_id, product;
