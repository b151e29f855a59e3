-- The core tables: users, orders, ledger, sagas, outboxes, and what the exchange has reported.
--
-- A user's rows change only under that user's row in `users`, locked first and in sorted order.
-- Money in paise, quantities in shares, times in UTC. House, exchange, clearing and tax accounts have
-- no row of their own: their balance is the sum of transfers (checkpoint + tail).

CREATE TABLE users (
    user_id        uuid PRIMARY KEY,
    display_name   text NOT NULL,
    kyc_status     text NOT NULL,
    next_sequence  bigint NOT NULL DEFAULT 1 CHECK (next_sequence > 0),
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- Client accounts. `account` is a code of the chart of accounts, `asset` is INR or an instrument_id.
CREATE TABLE accounts (
    user_id  uuid   NOT NULL REFERENCES users,
    account  text   NOT NULL,
    asset    text   NOT NULL,
    balance  bigint NOT NULL DEFAULT 0,
    held     bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    PRIMARY KEY (user_id, account, asset),
    CONSTRAINT available_is_never_negative CHECK (balance >= held)
);

-- One row moves one amount of one asset from the debited to the credited account. Codes that begin with
-- `client.` are the user's, all others the house's. `entry_id` is the ledger transaction.
CREATE TABLE transfers (
    transfer_no     bigint GENERATED ALWAYS AS IDENTITY,
    user_id         uuid   NOT NULL,
    entry_id        uuid   NOT NULL,
    debit_account   text   NOT NULL,
    credit_account  text   NOT NULL,
    asset           text   NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    reason          text   NOT NULL,
    order_id        uuid,
    booked_at       timestamptz NOT NULL,
    xact            xid8   NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (user_id, transfer_no)
);
CREATE INDEX transfers_by_order ON transfers (user_id, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX transfers_tail ON transfers (xact);
CREATE UNIQUE INDEX transfers_once ON transfers (user_id, entry_id, debit_account, credit_account, asset);

-- Sums of all transfers whose transaction is older than `xact`; the tail is every row from `xact` on.
CREATE TABLE ledger_checkpoint (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    xact      xid8 NOT NULL,
    taken_at  timestamptz NOT NULL
);
CREATE TABLE ledger_checkpoint_balances (
    account  text   NOT NULL,
    asset    text   NOT NULL,
    balance  bigint NOT NULL,
    PRIMARY KEY (account, asset)
);

CREATE TABLE orders (
    user_id             uuid NOT NULL,
    order_id            uuid NOT NULL,
    instrument_id       text NOT NULL,
    side                text NOT NULL,
    order_type          text NOT NULL,
    product             text NOT NULL,
    time_in_force       text NOT NULL,
    quantity            bigint NOT NULL CHECK (quantity > 0),
    price               bigint,
    limit_price         bigint NOT NULL,
    trade_date          date NOT NULL,
    accepted_at         timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    state               text NOT NULL,
    pending_request     text,
    pending_request_id  uuid,
    filled_quantity     bigint NOT NULL DEFAULT 0,
    notional            bigint NOT NULL DEFAULT 0,
    venue_quantity      bigint NOT NULL DEFAULT 0,
    final_quantity      bigint,
    final_state         text,
    charges             bigint NOT NULL DEFAULT 0,
    owner               text NOT NULL,
    deadline            timestamptz,
    in_doubt            boolean NOT NULL DEFAULT false,
    saga_id             uuid,
    submitted_at        timestamptz,
    expire_at           timestamptz,
    answered_at         timestamptz,
    exchange_order_id   text,
    reject_code         text,
    status_message      text NOT NULL DEFAULT '',
    client_order_id     text,
    disclosed_quantity  bigint,
    tag                 text,
    version             integer NOT NULL,
    -- the acceptance or refusal as it was answered, for replays of the idempotency key
    idempotency_key     text,
    fingerprint         bytea,
    answer_status       smallint,
    answer_body         text,
    PRIMARY KEY (user_id, order_id),
    UNIQUE (user_id, client_order_id),
    UNIQUE (user_id, idempotency_key),
    CHECK (filled_quantity <= quantity)
) PARTITION BY HASH (user_id);
CREATE INDEX orders_by_time ON orders (user_id, accepted_at DESC, order_id DESC);
CREATE INDEX orders_by_deadline ON orders (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE order_events (
    user_id   uuid NOT NULL,
    order_id  uuid NOT NULL,
    version   integer NOT NULL,
    event     text NOT NULL,
    state     text NOT NULL,
    detail    jsonb NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (user_id, order_id, version)
);

-- open = amount - captured - released
CREATE TABLE holds (
    user_id     uuid NOT NULL,
    order_id    uuid NOT NULL,
    request_id  uuid NOT NULL,
    account     text NOT NULL,
    asset       text NOT NULL,
    amount      bigint NOT NULL CHECK (amount > 0),
    captured    bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released    bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    PRIMARY KEY (user_id, order_id, request_id),
    CHECK (captured + released <= amount)
);
CREATE INDEX holds_open ON holds (user_id, account, asset) WHERE captured + released < amount;

CREATE TABLE trades (
    trade_date     date NOT NULL,
    venue          text NOT NULL,
    exec_id        text NOT NULL,
    user_id        uuid NOT NULL,
    order_id       uuid NOT NULL,
    instrument_id  text NOT NULL,
    side           text NOT NULL,
    quantity       bigint NOT NULL CHECK (quantity > 0),
    price          bigint NOT NULL CHECK (price > 0),
    notional       bigint NOT NULL,
    charges        jsonb NOT NULL,
    match_id       text,
    executed_at    timestamptz NOT NULL,
    booked_at      timestamptz NOT NULL,
    PRIMARY KEY (venue, trade_date, exec_id)
) PARTITION BY RANGE (trade_date);
CREATE TABLE trades_default PARTITION OF trades DEFAULT;
CREATE INDEX trades_by_user ON trades (user_id, executed_at DESC, exec_id);
CREATE INDEX trades_by_order ON trades (user_id, order_id);

-- Sums only, so that any order of booking gives the same row; average price is derived.
CREATE TABLE positions (
    user_id          uuid NOT NULL,
    instrument_id    text NOT NULL,
    opening_quantity bigint NOT NULL DEFAULT 0,
    opening_value    bigint NOT NULL DEFAULT 0,
    buy_quantity     bigint NOT NULL DEFAULT 0,
    buy_value        bigint NOT NULL DEFAULT 0,
    sell_quantity    bigint NOT NULL DEFAULT 0,
    sell_value       bigint NOT NULL DEFAULT 0,
    charges          bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, instrument_id)
) PARTITION BY HASH (user_id);

DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format('CREATE TABLE orders_%s PARTITION OF orders FOR VALUES WITH (MODULUS 8, REMAINDER %s)
                        WITH (fillfactor = 70)', part, part);
        EXECUTE format('CREATE TABLE positions_%s PARTITION OF positions FOR VALUES WITH (MODULUS 8, REMAINDER %s)
                        WITH (fillfactor = 70)', part, part);
    END LOOP;
END $$;

-- Accepted orders that no saga has taken.
CREATE TABLE dispatch_queue (
    queue_no     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      uuid NOT NULL,
    order_id     uuid NOT NULL,
    accepted_at  timestamptz NOT NULL
);

CREATE TABLE sagas (
    saga_id      uuid PRIMARY KEY,
    claimed_at   timestamptz NOT NULL,
    deadline     timestamptz NOT NULL,
    orders       integer NOT NULL,
    -- members at the exchange that it has not answered; null until submitted
    unanswered   integer CHECK (unanswered >= 0),
    finished_at  timestamptz
);
CREATE INDEX sagas_in_flight ON sagas (deadline) WHERE finished_at IS NULL;

CREATE TABLE saga_orders (
    saga_id   uuid NOT NULL REFERENCES sagas ON DELETE CASCADE,
    user_id   uuid NOT NULL,
    order_id  uuid NOT NULL,
    PRIMARY KEY (saga_id, user_id, order_id)
);
CREATE INDEX saga_orders_by_order ON saga_orders (user_id, order_id);

-- What every step did to every order, written by the step's own transaction; operations read this table.
CREATE TABLE saga_steps (
    saga_id   uuid NOT NULL,
    user_id   uuid NOT NULL,
    order_id  uuid NOT NULL,
    step      text NOT NULL,
    outcome   text NOT NULL,
    detail    text NOT NULL DEFAULT '',
    attempts  integer NOT NULL DEFAULT 1,
    at        timestamptz NOT NULL,
    PRIMARY KEY (saga_id, user_id, order_id, step)
);
CREATE INDEX saga_steps_by_order ON saga_steps (user_id, order_id);

-- Outboxes: written with the change, sent after the commit by whoever committed, leftovers by the sweep.
CREATE TABLE exchange_outbox (
    message_id  uuid PRIMARY KEY,
    lane        text NOT NULL,
    body        text NOT NULL,
    created_at  timestamptz NOT NULL,
    sent_at     timestamptz
);
CREATE INDEX exchange_outbox_unsent ON exchange_outbox (created_at) WHERE sent_at IS NULL;

CREATE TABLE saga_signals (
    saga_id     uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    sent_at     timestamptz
);
CREATE INDEX saga_signals_unsent ON saga_signals (created_at) WHERE sent_at IS NULL;

CREATE TABLE effects (
    user_id     uuid NOT NULL,
    sequence    bigint NOT NULL,
    kind        text NOT NULL,
    payload     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    sent_at     timestamptz,
    PRIMARY KEY (user_id, sequence)
);
CREATE INDEX effects_unsent ON effects (created_at) WHERE sent_at IS NULL;

-- Reports that contradict our books, kept whole for operations.
CREATE TABLE parked_reports (
    parked_no    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint  bytea NOT NULL UNIQUE,
    body         text NOT NULL,
    reason       text NOT NULL,
    order_id     uuid,
    parked_at    timestamptz NOT NULL
);

-- Orders whose state at the exchange could not be established, with what is known and who closed them.
CREATE TABLE in_doubt (
    user_id      uuid NOT NULL,
    order_id     uuid NOT NULL,
    since        timestamptz NOT NULL,
    evidence     jsonb NOT NULL,
    resolved_at  timestamptz,
    resolved_by  uuid,
    resolution   text,
    reference    text,
    PRIMARY KEY (user_id, order_id)
);
CREATE INDEX in_doubt_open ON in_doubt (since) WHERE resolved_at IS NULL;

-- Answers of POST calls other than placing an order.
CREATE TABLE idempotent_answers (
    user_id         uuid NOT NULL,
    key             text NOT NULL,
    fingerprint     bytea NOT NULL,
    answer_status   smallint NOT NULL,
    answer_body     text NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- Difference between the venue's market clock and ours; no row means none.
CREATE TABLE market_clock (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    offset_us  bigint NOT NULL
);
