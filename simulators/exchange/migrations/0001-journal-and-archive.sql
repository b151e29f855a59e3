-- Input, in the order it is applied. Truth: everything else can be computed from it and the snapshot.
CREATE TABLE journal (
    position bigint PRIMARY KEY,
    received_at timestamptz NOT NULL,
    trade_date date NOT NULL,
    kind text NOT NULL,
    request_id uuid UNIQUE,
    body json NOT NULL
);

-- What the broker did not ask (quotes, repeats, session ends) goes with the next snapshot.
CREATE INDEX journal_own ON journal (position) WHERE request_id IS NULL;

CREATE INDEX journal_age ON journal (received_at);

-- Output, sent or not: report_id = journal position * 2^20 + place.
CREATE TABLE report (
    report_id bigint PRIMARY KEY,
    order_id uuid NOT NULL,
    request_id uuid NOT NULL,
    trade_date date NOT NULL,
    exec_type text NOT NULL,
    report_sequence integer,
    body json NOT NULL
);

CREATE INDEX report_order ON report (order_id, report_id);

CREATE INDEX report_trade ON report (trade_date, report_id) WHERE exec_type = 'TRADE';

-- Requests to send older reports again, until that is done.
CREATE TABLE repeat (
    position bigint PRIMARY KEY,
    order_id uuid NOT NULL,
    request_id uuid NOT NULL,
    from_sequence integer NOT NULL
);

-- Ended orders and tombstones as of the position that made them so; the newest row of an order counts.
CREATE TABLE closed_order (
    order_id uuid NOT NULL,
    position bigint NOT NULL,
    state json NOT NULL,
    PRIMARY KEY (order_id, position)
);

CREATE INDEX closed_order_position ON closed_order (position);

CREATE TABLE snapshot (
    position bigint PRIMARY KEY,
    state json NOT NULL
);

-- Entries that name no order, so that they could not be answered.
CREATE TABLE parked (
    parked_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    message_id text NOT NULL,
    entry text NOT NULL,
    error text NOT NULL
);

-- applied: last position whose reports are written; sent: last position whose reports have gone out;
-- clock_offset_us: market clock minus real clock; ended_day: ordinal of a trade date that was ended by hand.
CREATE TABLE marker (
    name text PRIMARY KEY,
    value bigint NOT NULL
);

INSERT INTO marker (name, value) VALUES ('applied', 0), ('sent', 0), ('clock_offset_us', 0), ('ended_day', 0);
