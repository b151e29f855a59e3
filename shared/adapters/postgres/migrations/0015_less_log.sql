-- Less is written for each order: indexes begin with the order's id where they can, which is made in order of time, so
-- entries go to an index's end, and are no wider than their use.

-- A fill is booked once because its trade has a unique key; the other entries are looked for by their ids.
DROP INDEX transfers_once;
CREATE UNIQUE INDEX transfers_once
    ON transfers (user_id, entry_id, debit_account, credit_account, asset) NULLS NOT DISTINCT WHERE order_id IS NULL;
DROP INDEX transfers_by_order;
CREATE INDEX transfers_by_order ON transfers (order_id) WHERE order_id IS NOT NULL;

ALTER TABLE order_events DROP CONSTRAINT order_events_pkey, ADD PRIMARY KEY (order_id, revision);
ALTER TABLE holds DROP CONSTRAINT holds_pkey, ADD PRIMARY KEY (source_id, request_id, source);
DROP INDEX orders_by_id;
ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (order_id, user_id);
ALTER TABLE saga_orders DROP CONSTRAINT saga_orders_pkey, ADD PRIMARY KEY (saga_id, order_id);

-- The few trades of one instant are sorted when they are read.
DROP INDEX trades_by_user;
DROP INDEX trades_by_instrument;
CREATE INDEX trades_by_user ON trades (user_id, trade_date, executed_at);
CREATE INDEX trades_by_instrument ON trades (user_id, instrument_id, trade_date, executed_at);

-- What a step did is one row for all orders that it did the same to, and a repetition is another row. `order_steps` has
-- one row an order and step, with its newest outcome.
ALTER TABLE saga_steps RENAME TO old_saga_steps;
CREATE TABLE saga_steps (
    saga_id  uuid NOT NULL,
    at       timestamptz NOT NULL,
    step     text NOT NULL,
    outcome  text NOT NULL,
    detail   text NOT NULL DEFAULT '',
    orders   uuid[] NOT NULL
) PARTITION BY RANGE (saga_id);
CREATE INDEX saga_steps_by_saga ON saga_steps (saga_id);
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'old_saga_steps'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', part.relname, 'old_' || part.relname);
        EXECUTE format('CREATE TABLE %I PARTITION OF saga_steps %s', part.relname, part.bound);
    END LOOP;
END $$;
INSERT INTO saga_steps (saga_id, at, step, outcome, detail, orders)
SELECT saga_id, at, step, outcome, detail, array_agg(order_id ORDER BY order_id)
FROM old_saga_steps CROSS JOIN generate_series(1, attempts) AS attempt
GROUP BY saga_id, at, step, outcome, detail, attempt;
DROP TABLE old_saga_steps;
CREATE VIEW order_steps AS
SELECT t.saga_id, taken.order_id, t.step, (array_agg(t.outcome ORDER BY t.at DESC))[1] AS outcome,
       (array_agg(t.detail ORDER BY t.at DESC))[1] AS detail, count(*) AS attempts, max(t.at) AS at
FROM saga_steps t CROSS JOIN unnest(t.orders) AS taken (order_id)
GROUP BY t.saga_id, taken.order_id, t.step;
