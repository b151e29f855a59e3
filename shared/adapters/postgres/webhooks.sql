-- Webhooks and their deliveries.

-- name: of_user
SELECT webhook_id, user_id, url, kinds, key_id, secret_number, previous_secret_until, disabled_by, created_at,
       (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook_id = w.webhook_id AND d.dead_at IS NULL),
       (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook_id = w.webhook_id AND d.dead_at IS NOT NULL)
FROM webhooks w WHERE w.user_id = %(user_id)s ORDER BY w.created_at, w.webhook_id

-- name: lock_owner
-- Before `put`, in its transaction: the number of webhooks is exact then, and the position is that of a commit.
SELECT FROM users WHERE user_id = %(user_id)s FOR NO KEY UPDATE

-- name: put
INSERT INTO webhooks AS w (webhook_id, user_id, url, kinds, key_id, secret_number, previous_secret_until, disabled_by,
    position)
SELECT %(webhook_id)s, %(user_id)s, %(url)s, %(kinds)s, %(key_id)s, %(secret_number)s, %(previous_secret_until)s,
       %(disabled_by)s, u.next_sequence - 1
FROM users u
WHERE u.user_id = %(user_id)s AND (SELECT count(*) FROM webhooks WHERE user_id = %(user_id)s AND webhook_id <> %(webhook_id)s) < %(most)s
ON CONFLICT (webhook_id) DO UPDATE SET
    url = excluded.url, kinds = excluded.kinds, secret_number = excluded.secret_number,
    previous_secret_until = excluded.previous_secret_until, disabled_by = excluded.disabled_by,
    position = CASE WHEN w.disabled_by IS NULL THEN w.position ELSE excluded.position END
WHERE w.user_id = excluded.user_id
RETURNING webhook_id, user_id, url, kinds, key_id, secret_number, previous_secret_until, disabled_by, created_at

-- name: remove
DELETE FROM webhooks WHERE user_id = %(user_id)s AND webhook_id = %(webhook_id)s

-- name: behind
-- A change is written under its user's lock with the number after the last, so none can appear behind a position.
WITH behind AS MATERIALIZED (
    SELECT w.webhook_id, w.user_id, w.kinds, w.position
    FROM webhooks w JOIN users u ON u.user_id = w.user_id
    WHERE w.disabled_by IS NULL AND u.next_sequence - 1 > w.position
      AND (SELECT count(*) FROM webhook_deliveries d
           WHERE d.webhook_id = w.webhook_id AND d.dead_at IS NULL) < %(longest)s
    LIMIT %(most)s FOR UPDATE OF w SKIP LOCKED
)
SELECT b.webhook_id, b.kinds, b.position, e.user_id, e.sequence, e.created_at, e.facts
FROM behind b
CROSS JOIN LATERAL (
    SELECT user_id, sequence, created_at, facts FROM effects
    WHERE user_id = b.user_id AND sequence > b.position ORDER BY sequence LIMIT %(of_one)s
) AS e

-- name: queue
INSERT INTO webhook_deliveries (delivery_id, webhook_id, user_id, sequence, kind, body, due_at)
SELECT uuidv7(), webhook_id, user_id, sequence, kind, body, now()
FROM json_to_recordset(%(rows)s::json) AS n (webhook_id uuid, user_id uuid, sequence bigint, kind text, body text)
ORDER BY webhook_id, sequence
ON CONFLICT (webhook_id, sequence) DO NOTHING

-- name: reach
UPDATE webhooks w SET position = greatest(w.position, n.position)
FROM json_to_recordset(%(rows)s::json) AS n (webhook_id uuid, position bigint)
WHERE w.webhook_id = n.webhook_id

-- name: take_due
WITH due AS MATERIALIZED (
    SELECT delivery_id, webhook_id, due_at FROM webhook_deliveries
    WHERE dead_at IS NULL AND due_at <= now() AND webhook_id <> ALL(%(without)s::uuid[])
    ORDER BY due_at LIMIT %(look_at)s
), fair AS (
    SELECT delivery_id FROM (
        SELECT delivery_id, due_at, row_number() OVER (PARTITION BY webhook_id ORDER BY due_at) AS place FROM due
    ) AS ordered
    WHERE place <= %(of_one)s ORDER BY due_at LIMIT %(most)s
), locked AS MATERIALIZED (
    SELECT d.delivery_id FROM fair JOIN webhook_deliveries d ON d.delivery_id = fair.delivery_id
    WHERE d.dead_at IS NULL AND d.due_at <= now() FOR UPDATE OF d SKIP LOCKED
), taken AS (
    UPDATE webhook_deliveries d SET attempts = attempts + 1, due_at = now() + %(lease)s::interval
    FROM locked WHERE d.delivery_id = locked.delivery_id
    RETURNING d.delivery_id, d.webhook_id, d.body, d.attempts
)
SELECT t.delivery_id, t.body, t.attempts, w.webhook_id, w.user_id, w.url, w.kinds, w.key_id, w.secret_number,
       w.previous_secret_until, w.disabled_by, w.created_at
FROM taken t JOIN webhooks w ON w.webhook_id = t.webhook_id

-- name: delivered
DELETE FROM webhook_deliveries WHERE delivery_id = ANY(%(ids)s::uuid[])

-- name: failed
UPDATE webhook_deliveries d
SET last_error = n.error, due_at = coalesce(now() + n.again_s * interval '1 second', d.due_at),
    dead_at = CASE WHEN n.again_s IS NULL OR d.dead_at IS NOT NULL THEN coalesce(d.dead_at, now()) END
FROM json_to_recordset(%(rows)s::json) AS n (delivery_id uuid, error text, again_s double precision)
WHERE d.delivery_id = n.delivery_id

-- name: disable
WITH disabled AS (
    UPDATE webhooks SET disabled_by = %(by)s WHERE webhook_id = %(webhook_id)s AND disabled_by IS NULL
)
UPDATE webhook_deliveries SET dead_at = now(), last_error = coalesce(nullif(last_error, ''), 'the webhook was disabled')
WHERE webhook_id = %(webhook_id)s AND dead_at IS NULL

-- name: dead_letters
SELECT delivery_id, webhook_id, user_id, sequence, kind, attempts, last_error, dead_at FROM webhook_deliveries
WHERE dead_at IS NOT NULL
  AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
  AND (%(webhook_id)s::uuid IS NULL OR webhook_id = %(webhook_id)s)
  AND (%(after)s::uuid IS NULL OR delivery_id < %(after)s)
ORDER BY delivery_id DESC LIMIT %(limit)s

-- name: replay
UPDATE webhook_deliveries SET dead_at = NULL, attempts = 0, due_at = now()
WHERE delivery_id IN (
    SELECT d.delivery_id FROM webhook_deliveries d JOIN webhooks w ON w.webhook_id = d.webhook_id
    WHERE d.dead_at IS NOT NULL AND w.disabled_by IS NULL
      AND (%(user_id)s::uuid IS NULL OR d.user_id = %(user_id)s)
      AND (%(webhook_id)s::uuid IS NULL OR d.webhook_id = %(webhook_id)s)
      AND (%(delivery_id)s::uuid IS NULL OR d.delivery_id = %(delivery_id)s)
    LIMIT %(most)s)
