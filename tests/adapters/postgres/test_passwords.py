"""PostgreSQL by the app's identity: an access token as the password of each new connection, over TLS."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import jwt
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from emulators.processes.postgres import PostgresServer
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.migrate import main as migrate_by_identity
from shared.adapters.postgres.passwords import SCOPE, password_source
from shared.domain.errors import UnavailableError
from tests.support.azure_postgres import Front, azure_postgres
from tests.support.managed_identity import IdentityEndpoint
from tests.support.waiting import eventually

_ROLE = "behind_the_front"


@pytest.fixture
async def front(
    postgres_server: PostgresServer, postgres_url: str, endpoint: IdentityEndpoint, tmp_path: Path
) -> AsyncIterator[Front]:
    """In front of the tests' server, which trusts the front's own role."""
    parts = conninfo_to_dict(postgres_url)
    rules = postgres_server.data / "pg_hba.conf"
    before = rules.read_text()
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        await admin.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(_ROLE)))
        rules.write_text(f"host all {_ROLE} 127.0.0.1/32 trust\n{before}")
        await admin.execute("SELECT pg_reload_conf()")
        try:
            behind = (str(parts["host"]), int(parts["port"] or 5432), _ROLE)
            async with azure_postgres(behind, endpoint.authority, tmp_path) as running:
                yield running
        finally:
            rules.write_text(before)
            await admin.execute("SELECT pg_reload_conf()")
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (_ROLE,))
            await admin.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(_ROLE)))
            await admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(_ROLE)))
            await admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(_ROLE)))


def url_of(front: Front, postgres_url: str) -> str:
    return front.url(str(conninfo_to_dict(postgres_url)["dbname"]))


async def test_each_new_connection_presents_a_valid_token(
    front: Front, identity: ManagedIdentity, endpoint: IdentityEndpoint, postgres_url: str
) -> None:
    url = url_of(front, postgres_url)
    pool = Database(url, most=2, password=password_source(url, identity))
    await pool.open()
    async with pool.connection() as one, pool.connection() as other:
        for connection in (one, other):
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    assert endpoint.authority.accepted == 2
    await pool.close()


async def test_expired_token_costs_new_connections_until_renewed(
    front: Front, identity: ManagedIdentity, endpoint: IdentityEndpoint, postgres_url: str
) -> None:
    url = url_of(front, postgres_url)
    kept = Database(url, most=1, password=password_source(url, identity))
    await kept.open()
    await kept.ping()
    endpoint.authority.ahead_s = 7200
    late = Database(url, most=1, wait_s=0.5, password=password_source(url, identity))
    await late.open()
    with pytest.raises(UnavailableError):
        await late.ping()
    assert "expired" in endpoint.authority.refused
    await kept.ping()  # a connection outlives the token that it was made with

    endpoint.authority.ahead_s = 0
    await eventually(partial(_answers, late))
    await kept.close()
    await late.close()


async def test_token_for_another_service_is_refused(
    front: Front, identity: ManagedIdentity, endpoint: IdentityEndpoint, postgres_url: str
) -> None:
    wrong = partial(identity.token, "https://redis.azure.com/.default")
    pool = Database(url_of(front, postgres_url), most=1, wait_s=0.5, password=wrong)
    await pool.open()
    with pytest.raises(UnavailableError):
        await pool.ping()
    assert "InvalidAudienceError" in endpoint.authority.refused
    await pool.close()


async def test_keys_rotate_while_connections_are_made(
    front: Front, identity: ManagedIdentity, endpoint: IdentityEndpoint, postgres_url: str
) -> None:
    url = url_of(front, postgres_url)
    pool = Database(url, most=8, password=password_source(url, identity))
    await pool.open()
    await pool.ping()
    old_key = endpoint.authority.keys.signing.kid
    endpoint.rotate()
    fresh = ManagedIdentity()
    assert jwt.get_unverified_header(await fresh.token(SCOPE))["kid"] != old_key
    other = Database(url, most=1, password=password_source(url, fresh))
    await other.open()
    async with pool.connection() as one, pool.connection() as two:  # the second one is new: by a token of the old key
        await one.execute("SELECT 1")
        await two.execute("SELECT 1")
    await other.ping()
    assert (endpoint.authority.accepted, endpoint.authority.refused) == (3, [])
    for each in (pool, other, fresh):
        await each.close()


async def test_identity_endpoint_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "a-header-that-only-the-app-has")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    identity = ManagedIdentity()
    with pytest.raises(UnavailableError):
        await identity.token(SCOPE)
    await identity.close()


async def test_migrations_run_with_a_token_too(
    front: Front, endpoint: IdentityEndpoint, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_URL", url_of(front, postgres_url))
    monkeypatch.setenv("PGPASSWORD", "")  # put back after the test
    await asyncio.to_thread(migrate_by_identity)
    assert endpoint.authority.accepted > 0


@pytest.mark.parametrize("url", ["postgresql://broker@db.example/broker", "postgresql://b@db.example/b?sslmode=prefer"])
def test_token_is_never_sent_over_an_open_line(url: str) -> None:
    with pytest.raises(ValueError, match="sslmode"):
        password_source(url, ManagedIdentity())


@pytest.mark.parametrize("url", ["postgresql://broker:secret@db.example/broker", "postgresql:///broker?host=/run/pg"])
def test_password_or_socket_needs_no_identity(url: str) -> None:
    assert password_source(url, ManagedIdentity()) is None


async def _answers(pool: Database) -> bool:
    try:
        await pool.ping()
    except UnavailableError:
        return False
    return True
