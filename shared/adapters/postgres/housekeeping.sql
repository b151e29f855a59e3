-- Retention. Orders, trades, transfers and order events are records: they are never removed here.

-- name: idempotency_keys
UPDATE orders SET idempotency_key = NULL, fingerprint = NULL, answer_body = NULL
WHERE (user_id, order_id) IN (
    SELECT user_id, order_id FROM orders
    WHERE idempotency_key IS NOT NULL AND accepted_at < now() - interval '7 days' LIMIT %(most)s)

-- name: idempotent_answers
DELETE FROM idempotent_answers WHERE (user_id, key) IN (
    SELECT user_id, key FROM idempotent_answers WHERE created_at < now() - interval '7 days' LIMIT %(most)s)

-- name: effects
DELETE FROM effects WHERE (user_id, sequence) IN (
    SELECT user_id, sequence FROM effects
    WHERE created_at < least(now() - interval '8 days', (SELECT min(created_at) FROM effects_outbox))
    LIMIT %(most)s)

-- name: exchange_outbox
DELETE FROM exchange_outbox WHERE message_id IN (
    SELECT message_id FROM exchange_outbox
    WHERE sent_at IS NOT NULL AND created_at < now() - interval '2 days' LIMIT %(most)s)

-- name: saga_signals
DELETE FROM saga_signals WHERE saga_id IN (
    SELECT saga_id FROM saga_signals
    WHERE sent_at IS NOT NULL AND created_at < now() - interval '2 days' LIMIT %(most)s)
