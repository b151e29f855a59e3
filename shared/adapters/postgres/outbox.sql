-- What was committed to be sent. What has been sent is removed.

-- name: unsent_messages
SELECT message_id, lane, body FROM exchange_outbox
WHERE created_at < now() - %(older_than)s::interval ORDER BY created_at LIMIT %(most)s

-- name: messages_sent
DELETE FROM exchange_outbox WHERE message_id = ANY(%(ids)s::uuid[])

-- name: unsent_effects
SELECT c.commit_id, e.user_id, e.sequence, e.kind, e.payload
FROM (SELECT commit_id, created_at, users, firsts, lasts FROM effects_outbox
      WHERE created_at < now() - %(older_than)s::interval ORDER BY created_at LIMIT %(most)s) AS c
CROSS JOIN unnest(c.users, c.firsts, c.lasts) AS r (user_id, first, last)
JOIN effects e ON e.user_id = r.user_id AND e.sequence BETWEEN r.first AND r.last AND e.created_at = c.created_at

-- name: effects_sent
DELETE FROM effects_outbox WHERE commit_id = ANY(%(ids)s::uuid[])
