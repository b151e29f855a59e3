-- Entities, messages that wait for their time, and built-in HTTP calls that wait for their next poll.
-- depends: 0001.create-task-hub

CREATE TABLE durable.entities (
    hub text NOT NULL,
    instance_id text NOT NULL COLLATE "C",
    partition integer NOT NULL,
    state text,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (hub, instance_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- A message leaves for the inbox when it is due.
CREATE TABLE durable.delayed (
    message uuid PRIMARY KEY,
    hub text NOT NULL,
    partition integer NOT NULL,
    instance_id text NOT NULL,
    event json NOT NULL,
    due_at timestamptz NOT NULL
);

CREATE INDEX delayed_by_time ON durable.delayed (hub, partition, due_at);

ALTER TABLE durable.hubs ADD COLUMN entities text[] NOT NULL DEFAULT '{}';
ALTER TABLE durable.tasks ADD COLUMN due_at timestamptz;
