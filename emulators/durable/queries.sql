-- The task hub's statements. Lists travel as one JSON text each: one parameter, one plan, one round trip.

-- name: register_hub
INSERT INTO durable.hubs (hub, partitions) VALUES (%(hub)s, %(partitions)s) ON CONFLICT (hub) DO NOTHING;

-- name: register_partitions
INSERT INTO durable.leases (hub, partition)
SELECT hub, generate_series(0, partitions - 1) FROM durable.hubs WHERE hub = %(hub)s
ON CONFLICT DO NOTHING;

-- name: hub
SELECT partitions, orchestrators, activities, entities FROM durable.hubs WHERE hub = %(hub)s;

-- name: register_functions
UPDATE durable.hubs SET orchestrators = %(orchestrators)s, activities = %(activities)s, entities = %(entities)s
WHERE hub = %(hub)s;

-- name: heartbeat
INSERT INTO durable.workers (worker, hub, expires_at, connection)
SELECT %(worker)s, %(hub)s, clock_timestamp() + make_interval(secs => %(lease_s)s),
       format('%%s@%%s', backend.pid, backend.backend_start)
FROM pg_stat_get_activity(pg_backend_pid()) AS backend
ON CONFLICT (worker) DO UPDATE SET expires_at = excluded.expires_at, connection = excluded.connection;

-- name: forget_worker
DELETE FROM durable.workers WHERE worker = %(worker)s;

-- name: forget_dead_workers
DELETE FROM durable.workers WHERE expires_at < clock_timestamp() - interval '1 hour';

-- name: survey_leases
SELECT lease.partition, lease.owner = %(worker)s AS mine,
       owner.worker IS NULL AS free,
       lease.epoch,
       (SELECT count(*) FROM durable.live_workers AS worker WHERE worker.hub = %(hub)s) AS workers
FROM durable.leases AS lease
LEFT JOIN durable.live_workers AS owner ON owner.worker = lease.owner
WHERE lease.hub = %(hub)s
ORDER BY lease.partition;

-- name: take_leases
WITH wanted AS (
    SELECT lease.partition
    FROM durable.leases AS lease
    WHERE lease.hub = %(hub)s AND lease.partition = ANY(%(partitions)s)
      AND (lease.owner IS NULL OR lease.owner = %(worker)s
           OR NOT EXISTS (SELECT FROM durable.live_workers AS live WHERE live.worker = lease.owner))
    ORDER BY lease.partition
    FOR UPDATE OF lease SKIP LOCKED
)
UPDATE durable.leases AS lease SET owner = %(worker)s, epoch = lease.epoch + 1
FROM wanted WHERE lease.hub = %(hub)s AND lease.partition = wanted.partition
RETURNING lease.partition, lease.epoch;

-- name: release_leases
UPDATE durable.leases SET owner = NULL, epoch = epoch + 1
WHERE hub = %(hub)s AND owner = %(worker)s AND partition = ANY(%(partitions)s);

-- name: due_tasks
SELECT execution_id, seq, partition, instance_id, name, input, due_at
FROM durable.tasks WHERE hub = %(hub)s AND partition = ANY(%(partitions)s)
ORDER BY execution_id, seq
LIMIT %(limit)s;

-- name: due_timers
SELECT execution_id, seq, partition, instance_id, fire_at
FROM durable.timers
WHERE hub = %(hub)s AND partition = ANY(%(partitions)s) AND fire_at < %(until)s
  AND fire_at >= %(since)s AND (fire_at, execution_id, seq) > (%(since)s, %(execution_id)s, %(seq)s)
ORDER BY fire_at, execution_id, seq
LIMIT %(limit)s;

-- name: arrivals
-- A page ends where it has enough bytes, but not before its first message; `available` is where it would end otherwise.
WITH page AS MATERIALIZED (
    SELECT * FROM durable.inbox
    WHERE hub = %(hub)s AND partition = ANY(%(partitions)s)
      AND (sent_by, position) > (%(sent_by)s::xid8, %(position)s)
    ORDER BY sent_by, position
    LIMIT %(limit)s
), weighed AS (
    SELECT page.*, count(*) OVER () AS available,
           sum(octet_length(event::text)) OVER (ORDER BY sent_by, position) - octet_length(event::text) AS bytes_before
    FROM page
)
SELECT message, instance_id, execution_id, incarnation, event, sent_by::text AS sent_by, position, available,
       pg_snapshot_xmin(pg_current_snapshot())::text AS horizon
FROM weighed WHERE bytes_before < %(most_bytes)s
-- Qualified, because the text of a transaction id sorts otherwise than its number.
ORDER BY weighed.sent_by, weighed.position;

-- name: urgent_arrivals
-- ExecutionTerminated, ExecutionSuspended, ExecutionResumed: they are small, and they let others go.
SELECT message, instance_id, execution_id, incarnation, event, sent_by::text AS sent_by, position,
       0 AS available, '0' AS horizon
FROM durable.inbox
WHERE hub = %(hub)s AND partition = ANY(%(partitions)s) AND event->>'EventType' IN ('3', '19', '20')
ORDER BY inbox.sent_by, inbox.position
LIMIT %(limit)s;

-- name: load_instance
SELECT execution_id, incarnation, status FROM durable.instances
WHERE hub = %(hub)s AND instance_id = %(instance_id)s;

-- name: load_entity
SELECT state FROM durable.entities WHERE hub = %(hub)s AND instance_id = %(instance_id)s;

-- name: deliver_due
WITH due AS (
    DELETE FROM durable.delayed
    WHERE message IN (
        SELECT message FROM durable.delayed
        WHERE hub = %(hub)s AND partition = ANY(%(partitions)s) AND due_at <= clock_timestamp()
        ORDER BY due_at LIMIT %(limit)s)
    RETURNING *
), sent AS (
    INSERT INTO durable.inbox (message, hub, partition, instance_id, event)
    SELECT message, hub, partition, instance_id, event FROM due ORDER BY due_at
)
SELECT (SELECT count(*) FROM due) AS delivered,
       EXTRACT(epoch FROM (
           SELECT min(due_at) FROM durable.delayed
           WHERE hub = %(hub)s AND partition = ANY(%(partitions)s) AND message NOT IN (SELECT message FROM due)
       ) - clock_timestamp())::double precision AS next_in_s;

-- name: load_history
SELECT events FROM durable.history WHERE execution_id = %(execution_id)s ORDER BY chunk;

-- name: born
-- What starts and children have in common: those of `{asked}` whose ids are free become instances and are sent their start.
born AS (
    INSERT INTO durable.instances AS instance
        (hub, instance_id, partition, execution_id, incarnation, name, version, status, input, created_at, updated_at)
    SELECT %(hub)s, instance_id, partition, execution_id, execution_id, name, version, 'Pending', input, created_at,
           created_at
    FROM {asked} ORDER BY instance_id
    ON CONFLICT (hub, instance_id) DO UPDATE
    SET execution_id = excluded.execution_id, incarnation = excluded.incarnation, name = excluded.name,
        version = excluded.version, status = 'Pending', input = excluded.input, output = NULL, custom_status = NULL,
        created_at = excluded.created_at, updated_at = excluded.updated_at
    WHERE instance.status IN ('Completed', 'Failed', 'Terminated') OR {any_state}
    RETURNING instance_id
), begun AS (
    INSERT INTO durable.inbox (message, hub, partition, instance_id, execution_id, incarnation, event)
    SELECT message, %(hub)s, partition, instance_id, execution_id, execution_id, event
    FROM {asked} WHERE instance_id IN (SELECT instance_id FROM born)
)

-- name: start_instances
WITH asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(starts)s::json) AS given(
        instance_id text, partition integer, execution_id uuid, name text, version text, input text,
        created_at timestamptz, message uuid, event json)
), {born}
SELECT asked.message, asked.instance_id IN (SELECT instance_id FROM born) AS sent,
       COALESCE(existing.status, 'Pending') AS status, asked.execution_id AS incarnation
FROM asked
LEFT JOIN durable.instances AS existing ON existing.hub = %(hub)s AND existing.instance_id = asked.instance_id;

-- name: send_events
WITH asked AS MATERIALIZED (
    -- An entity needs no row before its first operation.
    SELECT given.*, instance.incarnation,
           CASE WHEN starts_with(given.instance_id, '@') THEN 'Running' ELSE instance.status END AS status
    FROM json_to_recordset(%(messages)s::json) AS given(message uuid, partition integer, instance_id text, event json)
    LEFT JOIN durable.instances AS instance ON instance.hub = %(hub)s AND instance.instance_id = given.instance_id
), sent AS (
    INSERT INTO durable.inbox (message, hub, partition, instance_id, incarnation, event)
    SELECT message, %(hub)s, partition, instance_id, incarnation, event FROM asked
    WHERE status NOT IN ('Completed', 'Failed', 'Terminated')
)
SELECT message, incarnation, status, COALESCE(status NOT IN ('Completed', 'Failed', 'Terminated'), false) AS sent
FROM asked;

-- name: wake
SELECT pg_notify(%(channel)s, %(payload)s);

-- name: lock_instance
SELECT execution_id, partition, status, output FROM durable.instances
WHERE hub = %(hub)s AND instance_id = %(instance_id)s
FOR UPDATE;

-- name: rewrite_history
UPDATE durable.history AS history SET events = given.events
FROM json_to_recordset(%(chunks)s::json) AS given(chunk integer, events json)
WHERE history.execution_id = %(execution_id)s AND history.chunk = given.chunk;

-- name: reopen_tasks
INSERT INTO durable.tasks (execution_id, seq, hub, partition, instance_id, name, input)
SELECT %(execution_id)s, given.seq, %(hub)s, %(partition)s, %(instance_id)s, given.name, given.input
FROM json_to_recordset(%(tasks)s::json) AS given(seq integer, name text, input text)
ON CONFLICT DO NOTHING;

-- name: reopen_timers
INSERT INTO durable.timers (execution_id, seq, hub, partition, instance_id, fire_at)
SELECT %(execution_id)s, given.seq, %(hub)s, %(partition)s, %(instance_id)s, given.fire_at
FROM json_to_recordset(%(timers)s::json) AS given(seq integer, fire_at timestamptz)
ON CONFLICT DO NOTHING;

-- name: reopen_instance
UPDATE durable.instances SET status = 'Running', output = NULL, updated_at = clock_timestamp()
WHERE hub = %(hub)s AND instance_id = %(instance_id)s;

-- name: put_message
INSERT INTO durable.inbox (message, hub, partition, instance_id, execution_id, event)
VALUES (%(message)s, %(hub)s, %(partition)s, %(instance_id)s, %(execution_id)s, %(event)s::json);

-- name: status
SELECT instance_id, execution_id, name, version, status, input, output, custom_status, created_at, updated_at
FROM durable.instances WHERE hub = %(hub)s AND instance_id = %(instance_id)s;

-- name: entity
SELECT instance_id, state, updated_at FROM durable.entities WHERE hub = %(hub)s AND instance_id = %(instance_id)s;

-- name: list_entities
SELECT instance_id, state, updated_at FROM durable.entities
WHERE hub = %(hub)s
  AND (%(prefix)s::text IS NULL OR starts_with(instance_id, %(prefix)s))
  AND (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR updated_at <= %(until)s)
  AND (%(after)s::text IS NULL OR instance_id > %(after)s)
ORDER BY instance_id
LIMIT %(limit)s;

-- name: hubs_of_instance
SELECT hub FROM durable.instances WHERE instance_id = %(instance_id)s ORDER BY hub;

-- name: list_instances
SELECT instance_id, execution_id, name, version, status, input, output, custom_status, created_at, updated_at
FROM durable.instances
WHERE hub = %(hub)s
  AND (%(prefix)s::text IS NULL OR starts_with(instance_id, %(prefix)s))
  AND (%(created_from)s::timestamptz IS NULL OR created_at >= %(created_from)s)
  AND (%(created_to)s::timestamptz IS NULL OR created_at <= %(created_to)s)
  AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
  AND (%(after_time)s::timestamptz IS NULL OR (created_at, instance_id) > (%(after_time)s, %(after_id)s))
ORDER BY created_at, instance_id
LIMIT %(limit)s;

-- name: purge_instance
DELETE FROM durable.instances
WHERE hub = %(hub)s AND instance_id = %(instance_id)s AND status IN ('Completed', 'Failed', 'Terminated');

-- name: retire_instances
WITH doomed AS (
    SELECT instance_id FROM durable.instances
    WHERE hub = %(hub)s AND status = %(status)s AND created_at < %(before)s AND updated_at < %(before)s
    ORDER BY created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM durable.instances AS instance USING doomed
WHERE instance.hub = %(hub)s AND instance.instance_id = doomed.instance_id;

-- name: purge_instances
WITH doomed AS (
    SELECT instance_id FROM durable.instances
    WHERE hub = %(hub)s AND status IN ('Completed', 'Failed', 'Terminated')
      AND created_at >= %(created_from)s AND created_at <= %(created_to)s
      AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
    ORDER BY instance_id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM durable.instances AS instance USING doomed
WHERE instance.hub = %(hub)s AND instance.instance_id = doomed.instance_id;
