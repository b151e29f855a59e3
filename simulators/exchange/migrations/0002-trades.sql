-- depends: 0001-journal-and-archive

-- Trades as the market feed numbers them, for resends. Computed from the journal, like reports; times in
-- microseconds since 1970 UTC on the market clock, `recorded_at` on the real one.
CREATE TABLE trade (
    instrument_id text NOT NULL,
    epoch integer NOT NULL,
    sequence bigint NOT NULL,
    exchange_time bigint NOT NULL,
    phase text NOT NULL,
    price bigint NOT NULL,
    quantity bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (instrument_id, epoch, sequence)
);

CREATE INDEX trade_minute ON trade (instrument_id, exchange_time);

-- For retention only: rows are written in this order, so a few blocks are read.
CREATE INDEX trade_age ON trade USING brin (recorded_at);

-- The newest trade of an instrument and epoch that retention has deleted.
CREATE TABLE forgotten_trade (
    instrument_id text NOT NULL,
    epoch integer NOT NULL,
    sequence bigint NOT NULL,
    exchange_time bigint NOT NULL,
    PRIMARY KEY (instrument_id, epoch)
);
