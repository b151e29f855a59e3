-- What was created or changed while the server ran. `description` is null for what the configuration declares; `rules` is
-- null while a subscription has the rules it was declared with, and `rules_of` names the declaration that they replace.
ALTER TABLE queue
    ADD COLUMN kind        text,
    ADD COLUMN description jsonb,
    ADD COLUMN rules       jsonb,
    ADD COLUMN rules_of    text,
    ADD COLUMN created_at  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_at  timestamptz NOT NULL DEFAULT now();

-- `hops` counts how often a message was forwarded; `transfer` marks the dead letters that could not be.
ALTER TABLE message
    ADD COLUMN hops     smallint NOT NULL DEFAULT 0,
    ADD COLUMN transfer boolean  NOT NULL DEFAULT false;
