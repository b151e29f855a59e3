-- Webhooks: addresses that get a user's changes. Secrets are derived from a key that is not kept here.
CREATE TABLE webhooks (
    webhook_id             uuid PRIMARY KEY,
    user_id                uuid NOT NULL REFERENCES users,
    url                    text NOT NULL,
    -- kinds of changes; empty: all
    kinds                  text[] NOT NULL,
    key_id                 text NOT NULL,
    secret_number          integer NOT NULL CHECK (secret_number > 0),
    previous_secret_until  timestamptz,
    disabled_by            text,
    -- the last change of the user of which deliveries were made
    position               bigint NOT NULL,
    created_at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_by_user ON webhooks (user_id, created_at);

-- Changes that wait for their receiver, and those that were given up. The body is what is signed, byte for byte.
CREATE TABLE webhook_deliveries (
    delivery_id  uuid PRIMARY KEY,
    webhook_id   uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    user_id      uuid NOT NULL,
    sequence     bigint NOT NULL,
    kind         text NOT NULL,
    body         text NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    -- also the end of the lease of whoever is sending it
    due_at       timestamptz NOT NULL,
    last_error   text NOT NULL DEFAULT '',
    dead_at      timestamptz,
    UNIQUE (webhook_id, sequence)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE dead_at IS NULL;
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (user_id, delivery_id) WHERE dead_at IS NOT NULL;
CREATE INDEX webhook_deliveries_dead_by_age ON webhook_deliveries (dead_at) WHERE dead_at IS NOT NULL;
