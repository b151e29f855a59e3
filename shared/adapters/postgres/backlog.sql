-- What waits.

-- name: tables
SELECT 'dispatch_queue', count(*), min(accepted_at) FROM dispatch_queue
UNION ALL SELECT 'exchange_outbox', count(*), min(created_at) FROM exchange_outbox
UNION ALL SELECT 'saga_signals', count(*), min(created_at) FROM saga_signals
UNION ALL SELECT 'effects', coalesce(sum(cardinality(users)), 0), min(created_at) FROM effects_outbox
UNION ALL SELECT 'sagas_in_flight', count(*), min(taken_at) FROM sagas WHERE finished_at IS NULL
UNION ALL SELECT 'in_doubt', count(*), min(d.since)
    FROM in_doubt d JOIN orders o ON o.user_id = d.user_id AND o.order_id = d.order_id
    WHERE d.resolved_at IS NULL AND o.in_doubt
UNION ALL SELECT 'parked_reports', count(*), min(parked_at) FROM parked_reports
UNION ALL SELECT 'parked_market_events', count(*), min(parked_at) FROM parked_market_events
-- Rows for which no partition was ready.
UNION ALL SELECT 'default_partitions', count(*), min(at)
    FROM (SELECT booked_at AS at FROM trades_default
          UNION ALL SELECT created_at FROM effects_default
          UNION ALL SELECT uuid_extract_timestamp(order_id) FROM order_answers_default
          UNION ALL SELECT taken_at FROM sagas_default
          UNION ALL SELECT uuid_extract_timestamp(saga_id) FROM saga_orders_default
          UNION ALL SELECT at FROM saga_steps_default) AS strays

-- name: parked
SELECT parked_no, parked_at, reason, order_id, body FROM parked_reports ORDER BY parked_no DESC LIMIT %(limit)s
