-- Instruments that a user follows. `slot` bounds the number of a user's lists.
CREATE TABLE watchlists (
    user_id       uuid NOT NULL,
    watchlist_id  uuid NOT NULL,
    slot          smallint NOT NULL CHECK (slot BETWEEN 1 AND 10),
    name          text NOT NULL,
    instruments   text[] NOT NULL CHECK (cardinality(instruments) <= 100),
    version       integer NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, watchlist_id),
    UNIQUE (user_id, slot)
);
