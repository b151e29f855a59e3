-- Logins for managed identities. Run by a member of the administrators' group in the database `postgres`, where Azure
-- keeps the functions for it:
--
--   psql "host=SERVER dbname=postgres user=GROUP sslmode=verify-full sslrootcert=system" \
--     -v identity=id-broker-prod-c1-blue -f infra/sql/principals.sql
--
-- Running it again changes nothing.
\set ON_ERROR_STOP on

SELECT count(*) = 0 AS missing FROM pg_roles WHERE rolname = :'identity' \gset
\if :missing
SELECT pgaadauth_create_principal(:'identity', false, false);
\endif
