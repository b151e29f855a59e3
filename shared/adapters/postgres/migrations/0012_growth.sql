-- Reads that stay as quick with a million orders as with a thousand, and retention by partition. What an index costs is
-- paid once or twice an order: none of these columns changes with each event, so an event rewrites the order's row and
-- no index.

-- Answers for the replay of an idempotency key lie beside the orders, by the time that an order's id carries (UUIDv7):
-- an event no longer copies them, and what is past its retention goes with its partition. One key of a user has one
-- answer because its look-up and its row are one transaction under the user's lock.
CREATE TABLE order_answers (
    user_id          uuid NOT NULL,
    order_id         uuid NOT NULL,
    idempotency_key  text NOT NULL,
    fingerprint      bytea NOT NULL,
    answer_status    smallint NOT NULL,
    answer_body      text NOT NULL,
    PRIMARY KEY (user_id, idempotency_key, order_id)
) PARTITION BY RANGE (order_id);
CREATE TABLE order_answers_default PARTITION OF order_answers DEFAULT;

-- Partitions of a table for every `days` days from the one that holds `since` to the one that holds `until`. They are
-- named and bounded as the housekeeping adapter does it.
CREATE FUNCTION pg_temp.partitions(parent text, by_id boolean, days integer, since timestamptz, until timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    length  interval := make_interval(days => days);
    origin  timestamptz := '1970-01-05 00:00+00'; -- a Monday
    first   timestamptz := date_bin(length, since, origin);
    bounds  text[];
BEGIN
    WHILE first <= until LOOP
        SELECT array_agg(CASE WHEN by_id
                   THEN (lpad(to_hex((extract(epoch FROM bound) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid::text
                   ELSE to_char(bound AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00"') END ORDER BY bound)
        INTO bounds FROM unnest(ARRAY[first, first + length]) AS bound;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                       parent || to_char(first AT TIME ZONE 'UTC', '_YYYY_MM_DD'), parent, bounds[1], bounds[2]);
        first := first + length;
    END LOOP;
END $$;

DO $$
BEGIN
    PERFORM pg_temp.partitions(
        'order_answers', true, 7,
        (SELECT coalesce(min(accepted_at) - interval '1 minute', now()) FROM orders WHERE accepted_at >= now() - interval '7 days'),
        now() + interval '7 days');
END $$;
INSERT INTO order_answers (user_id, order_id, idempotency_key, fingerprint, answer_status, answer_body)
SELECT user_id, order_id, idempotency_key, fingerprint, answer_status, answer_body
FROM orders WHERE idempotency_key IS NOT NULL AND accepted_at >= now() - interval '7 days';
ALTER TABLE orders DROP CONSTRAINT orders_user_id_idempotency_key_key,
    DROP COLUMN idempotency_key, DROP COLUMN fingerprint, DROP COLUMN answer_status, DROP COLUMN answer_body;

-- Lists by status and by instrument: an order that works has the empty `ended_as`, so its last event alone changes it.
-- A user's orders are listed by order_id, which is the order of their arrival.
ALTER TABLE orders ADD COLUMN ended_as text NOT NULL
    GENERATED ALWAYS AS (CASE WHEN state IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED') THEN state ELSE '' END) STORED;
DROP INDEX orders_by_time;
CREATE INDEX orders_by_id ON orders (order_id);
CREATE INDEX orders_by_end ON orders (user_id, ended_as, order_id);
CREATE INDEX orders_by_instrument ON orders (user_id, instrument_id, ended_as, order_id);
ALTER TABLE orders DROP CONSTRAINT orders_user_id_client_order_id_key;
CREATE UNIQUE INDEX orders_by_client_order_id ON orders (user_id, client_order_id) WHERE client_order_id IS NOT NULL;

-- Plans are kept (see 0002): these columns always look selective, also while all orders are in one state.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'orders'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN ended_as SET (n_distinct = 1000),
                                       ALTER COLUMN instrument_id SET (n_distinct = 1000)', part);
    END LOOP;
END $$;

-- A statement lists one account's lines of money.
CREATE INDEX transfers_by_credit ON transfers (user_id, credit_account, transfer_no)
    WHERE asset = 'INR' AND credit_account LIKE 'client.%';
CREATE INDEX transfers_by_debit ON transfers (user_id, debit_account, transfer_no)
    WHERE asset = 'INR' AND debit_account LIKE 'client.%';
DROP INDEX transfers_by_user;

-- A message or signal that has been sent is removed: that writes less than marking it, and nothing is left to retain.
DELETE FROM exchange_outbox WHERE sent_at IS NOT NULL;
DELETE FROM saga_signals WHERE sent_at IS NOT NULL;
DROP INDEX exchange_outbox_unsent;
DROP INDEX saga_signals_unsent;
ALTER TABLE exchange_outbox DROP COLUMN sent_at;
ALTER TABLE saga_signals DROP COLUMN sent_at;
CREATE INDEX exchange_outbox_by_age ON exchange_outbox (created_at);
CREATE INDEX saga_signals_by_age ON saga_signals (created_at);

-- Sagas, their steps and effects are kept for days and leave by partition, whatever their number. A saga's id is a
-- UUIDv7, so a range of ids is a range of time. The default partitions are to stay empty.

ALTER TABLE saga_orders DROP CONSTRAINT saga_orders_saga_id_fkey;
ALTER TABLE sagas RENAME TO old_sagas;
ALTER TABLE saga_orders RENAME TO old_saga_orders;
ALTER TABLE saga_steps RENAME TO old_saga_steps;
ALTER TABLE effects RENAME TO old_effects;
ALTER INDEX sagas_pkey RENAME TO old_sagas_pkey;
ALTER INDEX saga_orders_pkey RENAME TO old_saga_orders_pkey;
ALTER INDEX saga_steps_pkey RENAME TO old_saga_steps_pkey;
ALTER INDEX effects_pkey RENAME TO old_effects_pkey;
DROP INDEX sagas_in_flight;
DROP INDEX saga_orders_by_order;

CREATE TABLE sagas (
    saga_id      uuid PRIMARY KEY,
    claimed_at   timestamptz NOT NULL,
    deadline     timestamptz NOT NULL,
    orders       integer NOT NULL,
    -- members at the exchange that it has not answered; null until submitted
    unanswered   integer CHECK (unanswered >= 0),
    finished_at  timestamptz
) PARTITION BY RANGE (saga_id);
CREATE INDEX sagas_in_flight ON sagas (deadline) WHERE finished_at IS NULL;

CREATE TABLE saga_orders (
    saga_id   uuid NOT NULL,
    user_id   uuid NOT NULL,
    order_id  uuid NOT NULL,
    PRIMARY KEY (saga_id, user_id, order_id)
) PARTITION BY RANGE (saga_id);
CREATE INDEX saga_orders_by_order ON saga_orders (order_id);

-- What every step did to every order, written by the step's own transaction; operations read this table.
CREATE TABLE saga_steps (
    saga_id   uuid NOT NULL,
    user_id   uuid NOT NULL,
    order_id  uuid NOT NULL,
    step      text NOT NULL,
    outcome   text NOT NULL,
    detail    text NOT NULL DEFAULT '',
    attempts  integer NOT NULL DEFAULT 1,
    at        timestamptz NOT NULL,
    PRIMARY KEY (saga_id, user_id, order_id, step)
) PARTITION BY RANGE (saga_id);

-- A sequence number is a user's own and given under its lock; the time is in the key because it decides the partition.
CREATE TABLE effects (
    user_id     uuid NOT NULL,
    sequence    bigint NOT NULL,
    kind        text NOT NULL,
    payload     json NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, sequence, created_at)
) PARTITION BY RANGE (created_at);

CREATE TABLE sagas_default PARTITION OF sagas DEFAULT;
CREATE TABLE saga_orders_default PARTITION OF saga_orders DEFAULT;
CREATE TABLE saga_steps_default PARTITION OF saga_steps DEFAULT;
CREATE TABLE effects_default PARTITION OF effects DEFAULT;

-- What retention would remove tonight is not moved.
CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
SELECT least(now() - interval '14 days', (SELECT min(claimed_at) FROM old_sagas WHERE finished_at IS NULL)) AS sagas,
       least(now() - interval '8 days', (SELECT min(created_at) FROM effects_outbox)) AS effects;
DO $$
BEGIN
    PERFORM pg_temp.partitions(
        parent, true, 7,
        (SELECT coalesce(min(claimed_at), now()) FROM old_sagas WHERE claimed_at >= (SELECT sagas FROM kept)),
        now() + interval '7 days')
    FROM unnest(ARRAY['sagas', 'saga_orders', 'saga_steps']) AS parent;
    PERFORM pg_temp.partitions(
        'effects', false, 1,
        (SELECT coalesce(min(created_at), now()) FROM old_effects WHERE created_at >= (SELECT effects FROM kept)),
        now() + interval '3 days');
END $$;
INSERT INTO sagas SELECT * FROM old_sagas WHERE claimed_at >= (SELECT sagas FROM kept);
INSERT INTO saga_orders SELECT m.* FROM old_saga_orders m JOIN sagas USING (saga_id);
INSERT INTO saga_steps SELECT t.* FROM old_saga_steps t JOIN sagas USING (saga_id);
INSERT INTO effects (user_id, sequence, kind, payload, created_at)
SELECT user_id, sequence, kind, payload, created_at FROM old_effects
WHERE created_at >= (SELECT effects FROM kept);
DROP TABLE old_saga_orders, old_saga_steps, old_sagas, old_effects;

-- Trades of a month that has no partition yet leave the default partition for one.
CREATE TEMPORARY TABLE trades_moved (LIKE trades) ON COMMIT DROP;
DO $$
DECLARE
    month date;
BEGIN
    FOR month IN
        SELECT DISTINCT date_trunc('month', day)::date
        FROM (SELECT trade_date FROM trades_default
              UNION ALL SELECT now() + make_interval(months => ahead) FROM generate_series(0, 2) AS ahead) AS days (day)
    LOOP
        IF to_regclass('trades_' || to_char(month, 'YYYY_MM')) IS NULL THEN
            WITH moved AS (DELETE FROM trades_default WHERE date_trunc('month', trade_date) = month RETURNING *)
            INSERT INTO trades_moved SELECT * FROM moved;
            EXECUTE format('CREATE TABLE %I PARTITION OF trades FOR VALUES FROM (%L) TO (%L)',
                           'trades_' || to_char(month, 'YYYY_MM'), month, month + interval '1 month');
            INSERT INTO trades SELECT * FROM trades_moved;
            TRUNCATE trades_moved;
        END IF;
    END LOOP;
END $$;
