-- What is not yet published is recorded by commit, not by effect: publishing removes one row instead of changing each.
-- Of each user, a commit's effects have the sequence numbers from the first to the last.
CREATE TABLE effects_outbox (
    commit_id   uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    users       uuid[] NOT NULL,
    firsts      bigint[] NOT NULL,
    lasts       bigint[] NOT NULL
);
INSERT INTO effects_outbox (commit_id, created_at, users, firsts, lasts)
SELECT gen_random_uuid(), created_at, ARRAY[user_id], ARRAY[sequence], ARRAY[sequence]
FROM effects WHERE sent_at IS NULL;
DROP INDEX effects_unsent;
ALTER TABLE effects DROP COLUMN sent_at;
