-- What was committed to be sent. What has been sent is removed.

-- name: unsent_messages
SELECT message_id, lane, body FROM exchange_outbox
WHERE created_at < now() - %(older_than)s::interval ORDER BY created_at LIMIT %(most)s

-- name: messages_sent
DELETE FROM exchange_outbox WHERE message_id = ANY(%(ids)s::uuid[])

-- name: unsent_effects
SELECT c.commit_id, e.user_id, e.sequence, e.created_at, e.facts
FROM (SELECT commit_id, created_at, users, sequences FROM effects_outbox
      WHERE created_at < now() - %(older_than)s::interval ORDER BY created_at LIMIT %(most)s) AS c
CROSS JOIN unnest(c.users, c.sequences) AS r (user_id, sequence)
CROSS JOIN LATERAL (
    SELECT user_id, sequence, created_at, facts FROM effects
    WHERE user_id = r.user_id AND sequence = r.sequence AND created_at = c.created_at OFFSET 0
) AS e

-- name: effects_sent
DELETE FROM effects_outbox WHERE commit_id = ANY(%(ids)s::uuid[])
