-- Whether orders move. A saga normally waits for the exchange's answer for seconds, so those are not counted.

-- name: progress
SELECT now() - least(
           (SELECT accepted_at FROM dispatch_queue ORDER BY queue_no LIMIT 1),
           (SELECT created_at FROM exchange_outbox ORDER BY created_at LIMIT 1),
           (SELECT taken_at + interval '10 seconds' FROM sagas
            WHERE finished_at IS NULL ORDER BY deadline LIMIT 1)),
       (SELECT now() - at FROM heartbeats WHERE name = 'sweep')

-- name: write
-- A commit that must reach the disk: a server without room answers reads.
SELECT pg_logical_emit_message(true, 'health', '')
