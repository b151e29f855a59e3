-- Membership and progress of sagas.

-- name: take_waiting
WITH slot AS (
    SELECT count(*) < %(in_flight)s
           AND count(*) FILTER (WHERE unanswered IS NULL AND taken_at > now() - interval '1 second') < %(at_work)s AS free
    FROM sagas WHERE finished_at IS NULL
), waiting AS (
    SELECT queue_no, user_id, order_id FROM dispatch_queue
    WHERE (SELECT free FROM slot)
    ORDER BY queue_no LIMIT %(most_orders)s FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM dispatch_queue q USING waiting w WHERE q.queue_no = w.queue_no RETURNING w.queue_no, w.user_id, w.order_id
), saga AS (
    INSERT INTO sagas (saga_id, taken_at, deadline, orders)
    SELECT %(saga_id)s, now(), %(deadline)s, count(*) FROM taken HAVING count(*) > 0
    RETURNING saga_id
)
INSERT INTO saga_orders (saga_id, user_id, order_id)
SELECT saga.saga_id, taken.user_id, taken.order_id FROM taken, saga ORDER BY taken.queue_no

-- name: members
SELECT user_id, order_id FROM saga_orders WHERE saga_id = %(saga_id)s ORDER BY order_id

-- name: unanswered
SELECT coalesce(unanswered, 0) FROM sagas WHERE saga_id = %(saga_id)s

-- name: confirm
-- Orders that the exchange has answered need no lock: nothing of them changes. With all answered the saga is closed.
WITH members AS MATERIALIZED (
    SELECT o.user_id, o.order_id, o.state, o.reject_code,
           o.state = 'SUBMITTED' AND o.answered_at IS NULL AS unanswered
    FROM saga_orders m JOIN orders o ON o.user_id = m.user_id AND o.order_id = m.order_id
    WHERE m.saga_id = %(saga_id)s
), noted AS (
    INSERT INTO saga_steps (saga_id, at, step, outcome, orders)
    SELECT %(saga_id)s, now(), 'confirm', concat_ws(': ', state, reject_code) AS outcome,
           array_agg(order_id ORDER BY order_id)
    FROM members WHERE NOT unanswered GROUP BY outcome
), closed AS (
    UPDATE sagas SET finished_at = now()
    WHERE saga_id = %(saga_id)s AND finished_at IS NULL AND NOT EXISTS (SELECT FROM members WHERE unanswered)
)
SELECT (SELECT count(*) FROM members), user_id, order_id
FROM (SELECT) AS one LEFT JOIN (SELECT user_id, order_id FROM members WHERE unanswered) AS left_over ON true
ORDER BY order_id

-- name: finish
UPDATE sagas SET finished_at = now() WHERE saga_id = %(saga_id)s AND finished_at IS NULL

-- name: overdue_sagas
-- One without a step was taken by a process that died, or could not reach the engine, before starting it.
SELECT saga_id FROM sagas s WHERE finished_at IS NULL
  AND (deadline < now()
       OR (taken_at < now() - interval '3 seconds'
           AND NOT EXISTS (SELECT FROM saga_steps t WHERE t.saga_id = s.saga_id)))
ORDER BY deadline LIMIT 100

-- name: unsent_signals
SELECT saga_id FROM saga_signals WHERE created_at < now() - %(older_than)s::interval
ORDER BY created_at LIMIT 100

-- name: signals_sent
DELETE FROM saga_signals WHERE saga_id = ANY(%(ids)s::uuid[])

-- name: overdue_orders
-- From the few that are watched to their orders, never the other way round: OFFSET 0 keeps the planner from it.
SELECT d.user_id, d.order_id
FROM order_deadlines d
CROSS JOIN LATERAL (SELECT owner FROM orders WHERE user_id = d.user_id AND order_id = d.order_id OFFSET 0) AS o
WHERE d.deadline < now() AND o.owner IN ('VENUE', 'RECOVERY') ORDER BY d.deadline LIMIT %(most)s

-- name: swept
INSERT INTO heartbeats (name, at) VALUES ('sweep', now()) ON CONFLICT (name) DO UPDATE SET at = excluded.at
