-- Null where it is not given: containers share their database's, or the account is billed by use.
ALTER TABLE database ADD COLUMN throughput integer;
ALTER TABLE container ALTER COLUMN throughput DROP NOT NULL;
