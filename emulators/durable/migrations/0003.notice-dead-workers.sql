-- A worker is alive while it renews its lease and its connection exists: PostgreSQL notices a killed process
-- at once, a paused one is noticed when its lease expires.
-- depends: 0001.create-task-hub

ALTER TABLE durable.workers ADD COLUMN connection text NOT NULL DEFAULT '';

CREATE VIEW durable.live_workers AS
SELECT worker.worker, worker.hub
FROM durable.workers AS worker
JOIN pg_stat_get_activity(NULL) AS backend ON worker.connection = format('%s@%s', backend.pid, backend.backend_start)
WHERE worker.expires_at >= clock_timestamp();
