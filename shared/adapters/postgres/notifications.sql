-- Streams of changes.

-- name: current
SELECT user_id, next_sequence - 1 FROM users WHERE user_id = ANY(%(users)s::uuid[])

-- name: page
-- One row at least for a user that is known: where the stream stands. Each partition is entered at its key.
SELECT u.next_sequence - 1, u.user_id, e.sequence, e.created_at, e.facts
FROM users u
LEFT JOIN LATERAL (
    SELECT sequence, created_at, facts FROM effects
    WHERE user_id = u.user_id AND sequence > %(after)s
    ORDER BY sequence LIMIT %(limit)s
) AS e ON true
WHERE u.user_id = %(user_id)s
ORDER BY e.sequence
