-- Retention. Orders, trades, transfers and order events are records: they are never removed here.

-- name: alone
-- One process at a time makes and drops partitions.
SELECT pg_advisory_xact_lock(hashtext('partitions'))

-- name: present
SELECT relname FROM pg_class
WHERE relname = ANY(%(names)s::text[])
  AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'orders'::regclass)

-- name: partitions
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(%(table)s) ORDER BY c.relname

-- name: needed_since
-- What is still in use keeps its partition, however old: a saga that has not finished, an effect that was not sent.
SELECT least(%(now)s - %(sagas)s::interval,
             (SELECT min(uuid_extract_timestamp(saga_id)) FROM sagas WHERE finished_at IS NULL)),
       least(%(now)s - %(effects)s::interval, (SELECT min(created_at) FROM effects_outbox))

-- name: idempotent_answers
DELETE FROM idempotent_answers WHERE (user_id, key) IN (
    SELECT user_id, key FROM idempotent_answers WHERE created_at < now() - interval '7 days' LIMIT %(most)s)

-- name: dead_letters
DELETE FROM webhook_deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_deliveries WHERE dead_at < now() - interval '30 days' LIMIT %(most)s)
