-- What was committed to be sent and has not been marked as sent.

-- name: unsent_messages
SELECT message_id, lane, body FROM exchange_outbox
WHERE sent_at IS NULL AND created_at < now() - %(older_than)s::interval ORDER BY created_at LIMIT %(most)s

-- name: messages_sent
UPDATE exchange_outbox SET sent_at = now() WHERE message_id = ANY(%(ids)s::uuid[]) AND sent_at IS NULL

-- name: unsent_effects
SELECT c.commit_id, e.user_id, e.sequence, e.kind, e.payload
FROM (SELECT commit_id, users, firsts, lasts FROM effects_outbox
      WHERE created_at < now() - %(older_than)s::interval ORDER BY created_at LIMIT %(most)s) AS c
CROSS JOIN unnest(c.users, c.firsts, c.lasts) AS r (user_id, first, last)
JOIN effects e ON e.user_id = r.user_id AND e.sequence BETWEEN r.first AND r.last

-- name: effects_sent
DELETE FROM effects_outbox WHERE commit_id = ANY(%(ids)s::uuid[])
