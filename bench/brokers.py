"""A broker for a benchmark: a sandbox with thousands of customers, their tokens, and the invariants afterwards."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid5

import orjson
import psycopg

from bench.report import say
from bench.round_trips import RoundTrips, counting_proxy
from emulators.entra.directory import Directory
from emulators.entra.keys import KeyStore
from emulators.entra.tokens import TokenIssuer, TokenRequest
from sandbox.demo import Demo
from sandbox.harness import Sandbox, SandboxOptions
from sandbox.verify import verify_sandbox
from shared.adapters.reference import ReferenceData, load_reference_data
from shared.domain.money import format_rupees
from shared.domain.sessions import INDIA

INSTRUMENTS = ("NSE:INFY", "NSE:TCS", "NSE:RELIANCE", "NSE:HDFCBANK", "NSE:ITC", "NSE:SBIN", "NSE:ICICIBANK", "NSE:LT")
_NAMESPACE = UUID("4b1d5c9a-4f0e-5a52-8f83-1f6b7d0f1c55")
_CUSTOMER = "trader-"
_TOKEN_LIFETIME_S = 24 * 3600
_DRAINED_WITHIN_S = 300.0
_POLL_S = 0.1
_MOVING = "SELECT count(*) FROM orders WHERE state IN ('ACCEPTED', 'HELD', 'SUBMITTED')"
_FINISHED = "SELECT count(*) FROM sagas WHERE finished_at IS NULL"


class BenchmarkError(Exception):
    """The run is worth nothing: an invariant is broken or something did not finish."""


@contextmanager
def broker(
    users: int, settings: Mapping[str, str] | None = None, *, makers: bool = True, port: int = 0
) -> Iterator[Sandbox]:
    """A fresh sandbox with that many funded customers, with fsync as users have it.

    `users` is a multiple of twice the instruments, so that one user always trades one instrument.
    """
    with (
        _folder_with_demo(users) as folder,
        _serving(folder, _options(folder, settings or {}, makers=makers, port=port)) as sandbox,
    ):
        yield sandbox


@contextmanager
def counted_broker(users: int) -> Iterator[tuple[Sandbox, RoundTrips]]:
    """The same, with a count of the app's round trips to its database."""
    with _folder_with_demo(users) as folder:
        with Sandbox.start(folder / "data", replace(_options(folder, {}), only=("data",))) as sandbox:
            dsn, port = sandbox.dsn(), sandbox.running.endpoints.ports["postgres"]
        with counting_proxy(port) as (proxy, trips):
            settings = {"POSTGRES_URL": dsn.replace(f":{port}/", f":{proxy}/")}
            with _serving(folder, _options(folder, settings)) as sandbox:
                yield sandbox, trips


@contextmanager
def _folder_with_demo(users: int) -> Iterator[Path]:
    with TemporaryDirectory(prefix="bench-") as folder:
        (Path(folder) / "demo.json").write_bytes(orjson.dumps(demo_of(users)))
        yield Path(folder)


def _options(folder: Path, settings: Mapping[str, str], *, makers: bool = True, port: int = 0) -> SandboxOptions:
    demo = folder / "demo.json"
    return SandboxOptions(port=port, groups="default", demo=demo, settings=settings, makers=makers, fsync=True)


@contextmanager
def _serving(folder: Path, options: SandboxOptions) -> Iterator[Sandbox]:
    started = time.monotonic()
    with Sandbox.start(folder / "data", options) as sandbox:
        say(f"a broker is up after {time.monotonic() - started:.1f} s")
        yield sandbox


def tokens(sandbox: Sandbox) -> list[tuple[str, str]]:
    """(user id, access token) of every customer, signed with the identity emulator's own key."""
    running = sandbox.running
    directory = Directory.read(running.folder.entra / "directory.json")
    tenant = directory.tenant(str(running.demo.tenant_id))
    assert tenant is not None, "the sandbox wrote the directory"
    issuer = TokenIssuer(KeyStore.open(running.folder.entra / "keys"), running.endpoints.entra_url, _TOKEN_LIFETIME_S)
    asked = {
        "grant_type": "password",
        "client_id": str(running.demo.command_line_client_id),
        "scope": f"{running.demo.api.app_id_uri}/.default",
        "password": running.endpoints.secrets.demo_password,
    }
    now = int(time.time())
    return [
        (
            str(user.id),
            str(issuer.issue(TokenRequest(tenant, asked | {"username": user.username}, now))["access_token"]),
        )
        for user in tenant.users
        if user.username.startswith(_CUSTOMER)
    ]


def prices() -> list[tuple[str, str, str]]:
    """(instrument, price to buy at, price to sell at): both reach the other side of the book, inside the band."""
    data = load_reference_data()
    return [(name, _price(data, name, 102), _price(data, name, 98)) for name in INSTRUMENTS]


def _price(data: ReferenceData, name: str, percent: int) -> str:
    instrument = data.instruments.find(name, datetime.now(INDIA).date())
    assert instrument is not None, "the benchmark's instruments are in the master"
    tick = instrument.tick_size_paise
    return format_rupees(instrument.reference_price_paise * percent // 100 // tick * tick)


def demo_of(users: int) -> dict[str, object]:
    """The sandbox's own people, and customers rich enough for any benchmark."""
    demo = Demo.read().model_dump(mode="json")
    customers = [
        {
            "id": str(uuid5(_NAMESPACE, str(number))),
            "name": f"{_CUSTOMER}{number}",
            "full_name": f"Trader {number}",
            "roles": ["trader"],
            "kyc": "ACTIVE",
            "cash_inr": "10000000000.00",
            # The client's n-th order is of this instrument, so its user needs shares of no other.
            "holdings": {INSTRUMENTS[number // 2 % len(INSTRUMENTS)]: 1_000_000},
        }
        for number in range(users)
    ]
    return demo | {"users": [*demo["users"], *customers]}


def drain(sandbox: Sandbox, timeout_s: float = _DRAINED_WITHIN_S) -> float:
    """Wait until no order is on its way to the venue and every saga has ended; seconds it took."""
    started = time.monotonic()
    with psycopg.connect(sandbox.dsn(), autocommit=True) as connection:
        while _count(connection, _MOVING) or _count(connection, _FINISHED):
            if time.monotonic() - started > timeout_s:
                raise BenchmarkError(f"orders were still on their way after {timeout_s:.0f} s")
            time.sleep(_POLL_S)
    return time.monotonic() - started


def check_invariants(sandbox: Sandbox, journal: Path | None = None, *, at_rest: bool = False) -> None:
    """Raise BenchmarkError naming the first violation."""
    verdict = verify_sandbox(sandbox.data, at_rest=at_rest, journal=journal)
    if not verdict.ok:
        raise BenchmarkError(f"an invariant is broken: {verdict.violations[0]}")
    say(f"invariants hold ({len(verdict.passed)} checks)")


def _count(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
