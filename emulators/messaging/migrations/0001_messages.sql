CREATE TABLE queue (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text    NOT NULL UNIQUE,
    next_sequence bigint  NOT NULL DEFAULT 1
);

-- status: 0 active, 1 deferred, 2 scheduled. A row is locked while lock_token is not null.
CREATE TABLE message (
    queue_id                integer     NOT NULL REFERENCES queue (id),
    sequence                bigint      NOT NULL,
    message_id              text,
    session_id              text,
    durable                 boolean     NOT NULL,
    priority                smallint    NOT NULL,
    ttl_ms                  bigint,
    annotations             bytea       NOT NULL,
    annotation_items        integer     NOT NULL,
    bare                    bytea       NOT NULL,
    dead_lettered           boolean     NOT NULL,
    status                  smallint    NOT NULL,
    enqueued_at             timestamptz NOT NULL,
    expires_at              timestamptz,
    scheduled_at            timestamptz,
    delivery_count          integer     NOT NULL,
    lock_token              uuid,
    locked_until            timestamptz,
    dead_letter_reason      text,
    dead_letter_description text,
    PRIMARY KEY (queue_id, sequence)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE duplicate (
    queue_id   integer     NOT NULL REFERENCES queue (id),
    message_id text        NOT NULL,
    seen_at    timestamptz NOT NULL,
    PRIMARY KEY (queue_id, message_id)
);

CREATE TABLE session_state (
    queue_id   integer NOT NULL REFERENCES queue (id),
    session_id text    NOT NULL,
    state      bytea   NOT NULL,
    PRIMARY KEY (queue_id, session_id)
);
