-- Answers kept for their replay.

-- name: reply
SELECT fingerprint, answer_status, answer_body FROM idempotent_answers WHERE user_id = %(user_id)s AND key = %(key)s

-- name: store_reply
INSERT INTO idempotent_answers (user_id, key, fingerprint, answer_status, answer_body, created_at)
VALUES (%(user_id)s, %(key)s, %(fingerprint)s, %(status)s, %(body)s, now())
ON CONFLICT (user_id, key) DO NOTHING
