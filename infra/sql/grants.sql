-- What identities may do in the database of the broker. Run by a member of the administrators' group, after
-- principals.sql and before the first migration:
--
--   psql "host=SERVER dbname=broker user=GROUP sslmode=verify-full sslrootcert=system" \
--     -v identity=id-broker-prod-c1-blue -f infra/sql/grants.sql
--
-- All tables belong to `broker_owner`, who cannot sign in. The apps of both colours and the runner of migrations act as
-- this role: the app makes and drops partitions, which only the owner of a table may, and what one colour has made the
-- other must be able to drop. Running it again changes nothing.
\set ON_ERROR_STOP on

SELECT count(*) = 0 AS missing FROM pg_roles WHERE rolname = 'broker_owner' \gset
\if :missing
CREATE ROLE broker_owner NOLOGIN;
\endif
SELECT count(*) = 0 AS missing FROM pg_roles WHERE rolname = 'broker_reader' \gset
\if :missing
-- For people, in an emergency: docs/azure/break-glass.md.
CREATE ROLE broker_reader NOLOGIN;
\endif

SELECT current_database() AS database \gset
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO broker_owner;
GRANT CONNECT ON DATABASE :"database" TO broker_reader;
GRANT USAGE, CREATE ON SCHEMA public TO broker_owner;
GRANT USAGE ON SCHEMA public TO broker_reader;

-- An administrator of Azure is no superuser: to set default privileges of a role it must be a member.
GRANT broker_owner TO CURRENT_USER;
ALTER DEFAULT PRIVILEGES FOR ROLE broker_owner IN SCHEMA public GRANT SELECT ON TABLES TO broker_reader;

GRANT broker_owner TO :"identity";
ALTER ROLE :"identity" IN DATABASE :"database" SET role = 'broker_owner';
