-- Events of the market feed that could not be used: the newest thousand, for people to look at.

CREATE TABLE parked_market_events (
    partition    text NOT NULL,
    "offset"     text NOT NULL,
    enqueued_at  timestamptz,
    body         bytea NOT NULL,
    reason       text NOT NULL,
    parked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, "offset")
);

CREATE INDEX parked_market_events_by_time ON parked_market_events (parked_at);
