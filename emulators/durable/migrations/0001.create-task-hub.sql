-- Task hubs: instances, their histories, and the work that is due.
-- depends:

CREATE TABLE durable.hubs (
    hub text PRIMARY KEY,
    partitions integer NOT NULL,
    orchestrators text[] NOT NULL DEFAULT '{}',
    activities text[] NOT NULL DEFAULT '{}'
);

-- Processes that take turns. One that does not renew in time may lose its partitions.
CREATE TABLE durable.workers (
    worker uuid PRIMARY KEY,
    hub text NOT NULL REFERENCES durable.hubs,
    expires_at timestamptz NOT NULL
);

-- A partition's owner alone commits turns of its instances; every change of owner raises the epoch,
-- which each commit compares (the fencing token).
CREATE TABLE durable.leases (
    hub text NOT NULL REFERENCES durable.hubs,
    partition integer NOT NULL,
    owner uuid,
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (hub, partition)
);

CREATE TABLE durable.instances (
    hub text NOT NULL,
    instance_id text NOT NULL COLLATE "C",
    partition integer NOT NULL,
    execution_id uuid NOT NULL,
    name text NOT NULL,
    version text,
    status text NOT NULL,
    input text,
    output text,
    custom_status text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (hub, instance_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX instances_by_creation ON durable.instances (hub, created_at, instance_id);

-- One row a turn: the events of that turn as a JSON array.
CREATE TABLE durable.history (
    execution_id uuid NOT NULL,
    chunk integer NOT NULL,
    events json NOT NULL,
    PRIMARY KEY (execution_id, chunk)
);

-- Activities that are scheduled and whose outcome is not in a history yet.
CREATE TABLE durable.tasks (
    execution_id uuid NOT NULL,
    seq integer NOT NULL,
    hub text NOT NULL,
    partition integer NOT NULL,
    instance_id text NOT NULL,
    name text NOT NULL,
    input text,
    PRIMARY KEY (execution_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX tasks_by_partition ON durable.tasks (hub, partition);

CREATE TABLE durable.timers (
    execution_id uuid NOT NULL,
    seq integer NOT NULL,
    hub text NOT NULL,
    partition integer NOT NULL,
    instance_id text NOT NULL,
    fire_at timestamptz NOT NULL,
    PRIMARY KEY (execution_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX timers_by_time ON durable.timers (hub, partition, fire_at);

-- Events on their way to an instance. `sent_by` orders arrivals and lets a reader skip what it has seen:
-- every row that is not visible yet has a higher transaction id than the reader's snapshot horizon.
CREATE TABLE durable.inbox (
    message uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    hub text NOT NULL,
    partition integer NOT NULL,
    instance_id text NOT NULL,
    execution_id uuid,
    event json NOT NULL,
    sent_by xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX inbox_by_arrival ON durable.inbox (hub, partition, sent_by, position);
CREATE INDEX inbox_by_instance ON durable.inbox (hub, instance_id);
