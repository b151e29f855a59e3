-- What a commit changed for a user is one row of facts, the last of which has its sequence. A fact of an order says how it
-- stood, its terms are in the order's row; one of a trade names the trade. `stream` has a row a fact.
ALTER TABLE effects RENAME TO old_effects;
ALTER INDEX effects_pkey RENAME TO old_effects_pkey;
CREATE TABLE effects (
    user_id     uuid NOT NULL,
    sequence    bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    facts       json NOT NULL,
    PRIMARY KEY (user_id, sequence, created_at)
) PARTITION BY RANGE (created_at);
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'old_effects'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', part.relname, 'old_' || part.relname);
        EXECUTE format('CREATE TABLE %I PARTITION OF effects %s', part.relname, part.bound);
    END LOOP;
END $$;

-- What was written as a document stays one.
INSERT INTO effects (user_id, sequence, created_at, facts)
SELECT user_id, sequence, created_at, json_build_array(CASE kind
    WHEN 'order' THEN json_build_object('kind', kind, 'order_id', payload ->> 'order_id',
                                        'version', (payload ->> 'version')::integer, 'document', payload)
    WHEN 'trade' THEN json_build_object('kind', kind, 'trade_id', payload ->> 'trade_id', 'document', payload)
    ELSE json_build_object('kind', kind, 'balances', (
        SELECT coalesce(json_agg(json_build_array(account, asset, (balance * unit)::bigint, (held * unit)::bigint)), '[]')
        FROM json_to_recordset(payload -> 'balances') AS b (account text, asset text, balance numeric, held numeric),
             LATERAL (SELECT CASE asset WHEN 'INR' THEN 100 ELSE 1 END AS unit) AS smallest)) END)
FROM old_effects;
DROP TABLE old_effects;

-- Of each user, a commit that is not published yet names its row.
CREATE TABLE new_effects_outbox (
    commit_id   uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    users       uuid[] NOT NULL,
    sequences   bigint[] NOT NULL
);
INSERT INTO new_effects_outbox (commit_id, created_at, users, sequences)
SELECT gen_random_uuid(), c.created_at, ARRAY[r.user_id], ARRAY[sequence]
FROM effects_outbox c CROSS JOIN unnest(c.users, c.firsts, c.lasts) AS r (user_id, first, last)
CROSS JOIN generate_series(r.first, r.last) AS sequence;
DROP TABLE effects_outbox;
ALTER TABLE new_effects_outbox RENAME TO effects_outbox;
ALTER INDEX new_effects_outbox_pkey RENAME TO effects_outbox_pkey;

CREATE VIEW stream AS
SELECT e.user_id, e.sequence - json_array_length(e.facts) + f.place AS sequence, f.fact ->> 'kind' AS kind, f.fact,
       e.created_at
FROM effects e CROSS JOIN json_array_elements(e.facts) WITH ORDINALITY AS f (fact, place);
