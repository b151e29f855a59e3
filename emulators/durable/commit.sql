-- The commit of a group of turns is put together from these parts: those that the group has rows for.

-- name: commit/held
held AS MATERIALIZED (
    SELECT lease.partition
    FROM durable.leases AS lease
    JOIN json_to_recordset(%(fences)s::json) AS fence(partition integer, epoch bigint) USING (partition, epoch)
    WHERE lease.hub = %(hub)s AND lease.owner = %(worker)s
    FOR SHARE OF lease
)

-- name: commit/turns
turn AS MATERIALIZED (
    SELECT given.*
    FROM json_to_recordset(%(turns)s::json) AS given(
        partition integer, instance_id text, execution_id uuid, chunk integer, events json, status text,
        output text, custom_status text, updated_at timestamptz, next_execution uuid, next_input text)
    JOIN held USING (partition)
), advanced AS (
    -- The second fence: of an execution that another one replaced, nothing is written any more.
    UPDATE durable.instances AS instance
    SET status = turn.status, output = turn.output, updated_at = turn.updated_at,
        custom_status = COALESCE(turn.custom_status, instance.custom_status),
        execution_id = COALESCE(turn.next_execution, turn.execution_id),
        input = CASE WHEN turn.next_execution IS NULL THEN instance.input ELSE turn.next_input END
    FROM turn
    WHERE instance.hub = %(hub)s AND instance.instance_id = turn.instance_id
      AND instance.execution_id = turn.execution_id
    RETURNING old.execution_id
), recorded AS (
    INSERT INTO durable.history (execution_id, chunk, events)
    SELECT execution_id, chunk, events
    FROM turn JOIN advanced USING (execution_id) WHERE next_execution IS NULL
)

-- name: commit/no_turns
advanced AS (SELECT NULL::uuid AS execution_id WHERE false)

-- name: commit/tasks
scheduled_tasks AS (
    INSERT INTO durable.tasks (execution_id, seq, hub, partition, instance_id, name, input)
    SELECT given.execution_id, given.seq, %(hub)s, given.partition, given.instance_id, given.name, given.input
    FROM json_to_recordset(%(tasks)s::json) AS given(
        partition integer, instance_id text, execution_id uuid, seq integer, name text, input text)
    JOIN held USING (partition) JOIN advanced USING (execution_id)
)

-- name: commit/finished_tasks
finished_tasks AS (
    DELETE FROM durable.tasks AS task
    USING json_to_recordset(%(finished_tasks)s::json) AS given(partition integer, execution_id uuid, seq integer), held
    WHERE held.partition = given.partition AND task.execution_id = given.execution_id AND task.seq = given.seq
)

-- name: commit/timers
scheduled_timers AS (
    INSERT INTO durable.timers (execution_id, seq, hub, partition, instance_id, fire_at)
    SELECT given.execution_id, given.seq, %(hub)s, given.partition, given.instance_id, given.fire_at
    FROM json_to_recordset(%(timers)s::json) AS given(
        partition integer, instance_id text, execution_id uuid, seq integer, fire_at timestamptz)
    JOIN held USING (partition) JOIN advanced USING (execution_id)
)

-- name: commit/finished_timers
finished_timers AS (
    DELETE FROM durable.timers AS timer
    USING json_to_recordset(%(finished_timers)s::json) AS given(partition integer, execution_id uuid, seq integer), held
    WHERE held.partition = given.partition AND timer.execution_id = given.execution_id AND timer.seq = given.seq
)

-- name: commit/handled
handled AS (
    DELETE FROM durable.inbox AS inbox
    USING json_to_recordset(%(handled)s::json) AS given(partition integer, message uuid), held
    WHERE held.partition = given.partition AND inbox.message = given.message
)

-- name: commit/messages
sent AS (
    INSERT INTO durable.inbox (message, hub, partition, instance_id, execution_id, incarnation, event)
    SELECT message, %(hub)s, given.partition, instance_id, execution_id, incarnation, event
    FROM json_to_recordset(%(messages)s::json) AS given(
        source integer, sender uuid, message uuid, partition integer, instance_id text, execution_id uuid,
        incarnation uuid, event json)
    JOIN held ON held.partition = given.source
    WHERE sender IS NULL OR sender IN (SELECT execution_id FROM advanced)
)

-- name: commit/children
child AS MATERIALIZED (
    SELECT given.*
    FROM json_to_recordset(%(children)s::json) AS given(
        source integer, partition integer, instance_id text, execution_id uuid, name text, version text, input text,
        created_at timestamptz, message uuid, event json, parent_partition integer, parent_id text,
        parent_execution uuid, refusal json)
    JOIN held ON held.partition = given.source
    JOIN advanced ON advanced.execution_id = given.parent_execution
), {born}, refused AS (
    INSERT INTO durable.inbox (message, hub, partition, instance_id, execution_id, event)
    SELECT message, %(hub)s, parent_partition, parent_id, parent_execution, refusal
    FROM child WHERE instance_id NOT IN (SELECT instance_id FROM born)
)

-- name: commit/delayed
delayed AS (
    INSERT INTO durable.delayed (message, hub, partition, instance_id, event, due_at)
    SELECT given.message, %(hub)s, given.partition, given.instance_id, given.event, given.due_at
    FROM json_to_recordset(%(delayed)s::json) AS given(
        source integer, sender uuid, message uuid, partition integer, instance_id text, event json,
        due_at timestamptz)
    JOIN held ON held.partition = given.source
    WHERE sender IS NULL OR sender IN (SELECT execution_id FROM advanced)
)

-- name: commit/entities
entity AS (
    INSERT INTO durable.entities (hub, instance_id, partition, state, updated_at)
    SELECT %(hub)s, given.instance_id, given.partition, given.state, given.updated_at
    FROM json_to_recordset(%(entities)s::json) AS given(
        partition integer, instance_id text, state text, updated_at timestamptz)
    JOIN held USING (partition)
    ORDER BY given.instance_id
    ON CONFLICT (hub, instance_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at
)

-- name: commit/removed_entities
removed_entity AS (
    DELETE FROM durable.entities AS entity
    USING json_to_recordset(%(removed_entities)s::json) AS given(partition integer, instance_id text), held
    WHERE held.partition = given.partition AND entity.hub = %(hub)s AND entity.instance_id = given.instance_id
)

-- name: commit/postponed
postponed AS (
    UPDATE durable.tasks AS task SET input = given.input, due_at = given.due_at
    FROM json_to_recordset(%(postponed)s::json) AS given(
        partition integer, execution_id uuid, seq integer, input text, due_at timestamptz), held
    WHERE held.partition = given.partition AND task.execution_id = given.execution_id AND task.seq = given.seq
)

-- name: commit/answer
SELECT ARRAY(SELECT partition FROM held) AS held, ARRAY(SELECT execution_id FROM advanced) AS advanced,
       ARRAY[]::uuid[] AS refused

-- name: commit/answer_with_children
SELECT ARRAY(SELECT partition FROM held) AS held, ARRAY(SELECT execution_id FROM advanced) AS advanced,
       ARRAY(SELECT message FROM child WHERE instance_id NOT IN (SELECT instance_id FROM born)) AS refused
