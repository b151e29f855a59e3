-- name: histories
-- One row a turn; an instance's turns follow each other.
SELECT i.instance_id, i.name, i.status, i.output, h.execution_id::text AS execution_id, h.chunk, h.events
FROM durable.history h LEFT JOIN durable.instances i USING (execution_id)
ORDER BY h.execution_id, h.chunk

-- name: owners
-- Every owner of a partition raised its epoch, so a partition that has one was taken at least once.
SELECT hub, partition, owner, epoch FROM durable.leases WHERE owner IS NOT NULL AND epoch < 1

-- name: strays
SELECT kind, execution_id::text AS execution_id, seq FROM (
    SELECT 'task' AS kind, execution_id, seq FROM durable.tasks
    UNION ALL SELECT 'timer', execution_id, seq FROM durable.timers
) AS due
WHERE NOT EXISTS (SELECT FROM durable.instances i WHERE i.execution_id = due.execution_id
                  AND i.status NOT IN ('Completed', 'Failed', 'Terminated'))
