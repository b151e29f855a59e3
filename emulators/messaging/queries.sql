-- name: declare_queue
INSERT INTO queue (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, next_sequence, rules::text, rules_of,
          extract(epoch FROM created_at)::float8, extract(epoch FROM updated_at)::float8

-- name: load_created
SELECT name, kind, description::text FROM queue WHERE description IS NOT NULL ORDER BY id

-- name: load_messages
SELECT sequence, message_id, session_id, octet_length(annotations) + octet_length(bare), dead_lettered, status,
       extract(epoch FROM enqueued_at)::float8, extract(epoch FROM expires_at)::float8,
       extract(epoch FROM scheduled_at)::float8, delivery_count, lock_token,
       extract(epoch FROM locked_until)::float8, dead_letter_reason, dead_letter_description, hops, transfer
FROM message WHERE queue_id = %s ORDER BY sequence

-- name: load_contents
SELECT sequence, durable, priority, ttl_ms, annotations, annotation_items, bare
FROM message WHERE queue_id = %s AND sequence = ANY(%s)

-- name: load_duplicates
SELECT message_id, extract(epoch FROM seen_at)::float8 FROM duplicate WHERE queue_id = %s

-- name: load_session_states
SELECT session_id, state FROM session_state WHERE queue_id = %s

-- name: insert_messages
INSERT INTO message (queue_id, sequence, message_id, session_id, durable, priority, ttl_ms, annotations,
                     annotation_items, bare, dead_lettered, status, enqueued_at, expires_at, scheduled_at,
                     delivery_count, lock_token, locked_until, dead_letter_reason, dead_letter_description,
                     hops, transfer)
SELECT queue_id, sequence, message_id, session_id, durable, priority, ttl_ms, annotations, annotation_items, bare,
       dead_lettered, status, to_timestamp(enqueued_at), to_timestamp(expires_at), to_timestamp(scheduled_at),
       delivery_count, lock_token, to_timestamp(locked_until), dead_letter_reason, dead_letter_description,
       hops, transfer
FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::bool[], %s::smallint[], %s::bigint[], %s::bytea[],
            %s::int[], %s::bytea[], %s::bool[], %s::smallint[], %s::float8[], %s::float8[], %s::float8[], %s::int[],
            %s::uuid[], %s::float8[], %s::text[], %s::text[], %s::smallint[], %s::bool[])
     AS row (queue_id, sequence, message_id, session_id, durable, priority, ttl_ms, annotations, annotation_items,
             bare, dead_lettered, status, enqueued_at, expires_at, scheduled_at, delivery_count, lock_token,
             locked_until, dead_letter_reason, dead_letter_description, hops, transfer)
ON CONFLICT (queue_id, sequence) DO NOTHING

-- name: advance_sequences
UPDATE queue SET next_sequence = greatest(queue.next_sequence, row.next_sequence)
FROM unnest(%s::int[], %s::bigint[]) AS row (queue_id, next_sequence) WHERE queue.id = row.queue_id

-- name: update_messages
UPDATE message SET dead_lettered = row.dead_lettered, status = row.status, enqueued_at = to_timestamp(row.enqueued_at),
       expires_at = to_timestamp(row.expires_at), scheduled_at = to_timestamp(row.scheduled_at),
       delivery_count = row.delivery_count, lock_token = row.lock_token, locked_until = to_timestamp(row.locked_until),
       dead_letter_reason = row.dead_letter_reason, dead_letter_description = row.dead_letter_description
FROM unnest(%s::int[], %s::bigint[], %s::bool[], %s::smallint[], %s::float8[], %s::float8[], %s::float8[], %s::int[],
            %s::uuid[], %s::float8[], %s::text[], %s::text[])
     AS row (queue_id, sequence, dead_lettered, status, enqueued_at, expires_at, scheduled_at, delivery_count,
             lock_token, locked_until, dead_letter_reason, dead_letter_description)
WHERE message.queue_id = row.queue_id AND message.sequence = row.sequence

-- name: delete_messages
DELETE FROM message USING unnest(%s::int[], %s::bigint[]) AS row (queue_id, sequence)
WHERE message.queue_id = row.queue_id AND message.sequence = row.sequence

-- name: remember_duplicates
INSERT INTO duplicate (queue_id, message_id, seen_at)
SELECT queue_id, message_id, to_timestamp(seen_at)
FROM unnest(%s::int[], %s::text[], %s::float8[]) AS row (queue_id, message_id, seen_at)
ON CONFLICT (queue_id, message_id) DO UPDATE SET seen_at = excluded.seen_at

-- name: forget_duplicates
DELETE FROM duplicate USING unnest(%s::int[], %s::float8[]) AS row (queue_id, before)
WHERE duplicate.queue_id = row.queue_id AND duplicate.seen_at < to_timestamp(row.before)

-- name: set_session_states
INSERT INTO session_state (queue_id, session_id, state)
SELECT * FROM unnest(%s::int[], %s::text[], %s::bytea[])
ON CONFLICT (queue_id, session_id) DO UPDATE SET state = excluded.state

-- name: clear_session_states
DELETE FROM session_state USING unnest(%s::int[], %s::text[]) AS row (queue_id, session_id)
WHERE session_state.queue_id = row.queue_id AND session_state.session_id = row.session_id

-- name: describe_queues
UPDATE queue SET kind = row.kind, description = row.description::jsonb, updated_at = to_timestamp(row.updated_at)
FROM unnest(%s::int[], %s::text[], %s::text[], %s::float8[]) AS row (queue_id, kind, description, updated_at)
WHERE queue.id = row.queue_id

-- name: set_rules
UPDATE queue SET rules = row.rules::jsonb, rules_of = row.rules_of
FROM unnest(%s::int[], %s::text[], %s::text[]) AS row (queue_id, rules, rules_of) WHERE queue.id = row.queue_id

-- name: drop_queues
WITH dropped AS (SELECT unnest(%s::int[]) AS id),
     messages AS (DELETE FROM message USING dropped WHERE queue_id = dropped.id),
     duplicates AS (DELETE FROM duplicate USING dropped WHERE queue_id = dropped.id),
     states AS (DELETE FROM session_state USING dropped WHERE queue_id = dropped.id)
DELETE FROM queue USING dropped WHERE queue.id = dropped.id

-- name: declare_partition
INSERT INTO event_partition AS known (hub, number) VALUES (%s, %s)
ON CONFLICT (hub, number) DO UPDATE SET hub = excluded.hub
RETURNING id, next_sequence, next_offset, begin_sequence, last_enqueued_ms,
          (extract(epoch FROM created_at) * 1000)::bigint

-- name: insert_event_blocks
INSERT INTO event_block (partition_id, first_sequence, event_count, first_offset, enqueued_ms, data)
SELECT * FROM unnest(%b::int[], %b::bigint[], %b::int[], %b::bigint[], %b::bigint[], %b::bytea[])
ON CONFLICT (partition_id, first_sequence) DO NOTHING

-- name: advance_partitions
UPDATE event_partition
SET next_sequence = greatest(event_partition.next_sequence, row.next_sequence),
    next_offset = greatest(event_partition.next_offset, row.next_offset),
    last_enqueued_ms = greatest(event_partition.last_enqueued_ms, row.enqueued_ms)
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[]) AS row (id, next_sequence, next_offset, enqueued_ms)
WHERE event_partition.id = row.id

-- name: trim_partitions
WITH trimmed AS (
    UPDATE event_partition SET begin_sequence = greatest(event_partition.begin_sequence, row.begin_sequence)
    FROM unnest(%s::int[], %s::bigint[]) AS row (id, begin_sequence)
    WHERE event_partition.id = row.id RETURNING event_partition.id, event_partition.begin_sequence
)
DELETE FROM event_block USING trimmed
WHERE event_block.partition_id = trimmed.id AND event_block.first_sequence < trimmed.begin_sequence

-- name: load_event_blocks
SELECT first_sequence, event_count, first_offset, enqueued_ms, data
FROM (
    SELECT *, sum(octet_length(data)) OVER (ORDER BY first_sequence) - octet_length(data) AS before
    FROM (
        SELECT * FROM event_block
        WHERE partition_id = %(partition)s AND first_sequence >= coalesce((
            SELECT max(first_sequence) FROM event_block
            WHERE partition_id = %(partition)s AND first_sequence <= %(sequence)s), 0)
        ORDER BY first_sequence LIMIT 512
    ) AS following
) AS sized
WHERE before < %(bytes)s ORDER BY first_sequence

-- name: block_before_offset
SELECT first_sequence, event_count, first_offset, enqueued_ms, data FROM event_block
WHERE partition_id = %s AND first_offset <= %s ORDER BY first_offset DESC LIMIT 1

-- name: sequence_since
SELECT first_sequence FROM event_block
WHERE partition_id = %s AND enqueued_ms >= %s ORDER BY enqueued_ms, first_sequence LIMIT 1
