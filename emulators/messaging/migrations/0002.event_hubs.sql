CREATE TABLE event_partition (
    id               integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub              text        NOT NULL,
    number           integer     NOT NULL,
    next_sequence    bigint      NOT NULL DEFAULT 0,
    next_offset      bigint      NOT NULL DEFAULT 0,
    begin_sequence   bigint      NOT NULL DEFAULT 0,
    last_enqueued_ms bigint      NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (hub, number)
);

-- The events of one delivery, appended and never changed; an event's offset is its place in the partition's bytes.
CREATE TABLE event_block (
    partition_id   integer NOT NULL REFERENCES event_partition (id),
    first_sequence bigint  NOT NULL,
    event_count    integer NOT NULL,
    first_offset   bigint  NOT NULL,
    enqueued_ms    bigint  NOT NULL,
    data           bytea   NOT NULL,
    PRIMARY KEY (partition_id, first_sequence)
);
CREATE INDEX ON event_block (partition_id, first_offset);
CREATE INDEX ON event_block (partition_id, enqueued_ms);
