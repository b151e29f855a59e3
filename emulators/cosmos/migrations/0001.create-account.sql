CREATE TABLE database (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text    NOT NULL UNIQUE,
    etag       text    NOT NULL,
    changed_at bigint  NOT NULL
);

-- `properties` is what a client reads, less what the server adds; `throughput` is kept for whoever asks, without effect.
CREATE TABLE container (
    id          integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    database_id integer  NOT NULL REFERENCES database (id),
    name        text     NOT NULL,
    properties  text     NOT NULL,
    ranges      smallint NOT NULL,
    throughput  integer  NOT NULL,
    etag        text     NOT NULL,
    changed_at  bigint   NOT NULL,
    UNIQUE (database_id, name)
);

-- Every write to a range takes the next number here and holds the row until it commits: numbers become visible in order.
CREATE TABLE key_range (
    container_id integer  NOT NULL REFERENCES container (id),
    number       smallint NOT NULL,
    lsn          bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (container_id, number)
) WITH (fillfactor = 50);

-- `place` says which partition key an item has, `number` when it was created, `lsn` when it was written last. Times are
-- in seconds since 1970; `ttl_s` is null where the container's default holds.
CREATE TABLE item (
    container_id integer          NOT NULL,
    place        bytea            NOT NULL,
    id           text COLLATE "C" NOT NULL,
    range_number smallint         NOT NULL,
    number       bigint           NOT NULL,
    lsn          bigint           NOT NULL,
    written_at   float8           NOT NULL,
    ttl_s        integer,
    etag         text             NOT NULL,
    unique_keys  bytea[]          NOT NULL DEFAULT '{}',
    body         bytea            NOT NULL,
    PRIMARY KEY (container_id, place, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX item_in_order ON item (container_id, place, number);
CREATE UNIQUE INDEX item_changes ON item (container_id, range_number, lsn);
CREATE INDEX item_own_end ON item (container_id, (written_at + ttl_s)) WHERE ttl_s > 0;
CREATE INDEX item_by_age ON item (container_id, written_at) WHERE ttl_s IS NULL;

-- Digests of the values that a container's unique keys allow once for each partition key.
CREATE TABLE unique_value (
    container_id integer          NOT NULL,
    place        bytea            NOT NULL,
    digest       bytea            NOT NULL,
    id           text COLLATE "C" NOT NULL,
    PRIMARY KEY (container_id, place, digest)
);
