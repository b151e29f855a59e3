"""What end-to-end tests share: a demo file with many traders, clients of the public API, bounded waiting.

Tests never share a trader, so every number that they assert is exact whatever ran before.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4, uuid5

import httpx
import psycopg

from sandbox.demo import DEMO_FILE
from sandbox.harness import Sandbox
from sandbox.verify import verify_sandbox
from tests.support.waiting import wait_until

type Json = dict[str, Any]

CASH = Decimal("1000000.00")
HOLDINGS: Mapping[str, int] = {"NSE:INFY": 1000, "NSE:TCS": 1000, "NSE:ITC": 1000, "NSE:RELIANCE": 1000}
ENDED = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
PATIENCE_S = 60.0
_NAMESPACE = UUID("3c2f9a52-0d4e-5a0e-9f51-6f3d1f0c8f11")


def write_demo(path: Path, traders: int) -> Path:
    """The demo file with `trader-0` … `trader-N` added, each with CASH and HOLDINGS."""
    demo = json.loads(DEMO_FILE.read_bytes())
    for number in range(traders):
        demo["users"].append(
            {
                "id": str(uuid5(_NAMESPACE, f"trader-{number}")),
                "name": f"trader-{number}",
                "full_name": f"Trader {number}",
                "roles": ["trader"],
                "kyc": "ACTIVE",
                "cash_inr": str(CASH),
                "holdings": dict(HOLDINGS),
            }
        )
    path.write_text(json.dumps(demo))
    return path


def eventually[T](look: Callable[[], T | None], what: str, within_s: float = PATIENCE_S) -> T:
    """See `wait_until`."""
    # Calls over HTTP are counted against the user's rate limit.
    found = wait_until(look, within_s, what=what, interval_s=0.1)
    assert found is not None
    return found


def order_body(**changes: Any) -> Json:
    """A marketable-looking DAY order for 10 INFY at 1500.00, with changes; None removes a member."""
    body: Json = {
        "instrument_id": "NSE:INFY",
        "side": "BUY",
        "order_type": "LIMIT",
        "product": "CNC",
        "quantity": 10,
        "price": "1500.00",
    } | changes
    return {name: value for name, value in body.items() if value is not None}


@dataclass
class Client:
    """One person's calls; `token` is sent with each."""

    http: httpx.Client
    name: str
    user_id: str
    token: str

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """GET /api<path>."""
        return self.http.get(f"/api{path}", params=parameters or None, headers=self.headers())

    def read(self, path: str, **parameters: Any) -> Json:
        """The body of a GET that must succeed."""
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST /api<path>; `Idempotency_Key` becomes the header of that name."""
        return self.http.post(f"/api{path}", json=body, headers=self.headers(headers))

    def place(self, *, wait_s: int = 0, key: str | None = None, **changes: Any) -> httpx.Response:
        """POST /api/orders with `order_body(**changes)`."""
        headers = {"Idempotency-Key": key or f"e2e-{uuid4()}"} | ({"Prefer": f"wait={wait_s}"} if wait_s else {})
        return self.http.post("/api/orders", json=order_body(**changes), headers=self.headers(headers))

    def order(self, **changes: Any) -> str:
        """The id of an order that must be accepted."""
        response = self.place(**changes)
        assert response.status_code == 202, response.text
        return str(response.json()["order_id"])

    def working(self, **changes: Any) -> str:
        """The id of an order that must come to rest in the exchange's book."""
        order_id = self.order(**changes)
        self.until(order_id, "NEW")
        return order_id

    def cancel(self, order_id: str) -> httpx.Response:
        """DELETE /api/orders/{order_id}."""
        return self.http.delete(f"/api/orders/{order_id}", headers=self.headers())

    def until(self, order_id: str, *statuses: str, within_s: float = PATIENCE_S) -> Json:
        """The order once it has one of the statuses; fails when it ends in another."""

        def look() -> Json | None:
            order = self.read(f"/orders/{order_id}")
            assert order["status"] in statuses or order["status"] not in ENDED, order
            return order if order["status"] in statuses else None

        return eventually(look, f"{self.name}'s order {order_id} {statuses}", within_s)

    def headers(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The request headers with the token."""
        named = {name.replace("_", "-"): value for name, value in (extra or {}).items()}
        return {"Authorization": f"Bearer {self.token}"} | named


@dataclass
class Broker:
    """A running sandbox with its people."""

    sandbox: Sandbox
    http: httpx.Client
    _clients: dict[str, Client] = field(default_factory=dict)
    _next: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    @classmethod
    def of(cls, sandbox: Sandbox) -> Self:
        """Clients of this sandbox, which share one connection pool."""
        limits = httpx.Limits(max_connections=300)
        return cls(sandbox, httpx.Client(base_url=sandbox.base_url, timeout=60, limits=limits))

    def client(self, name: str) -> Client:
        """A demo person."""
        if name not in self._clients:
            user_id = str(self.sandbox.running.demo.user(name).id)
            self._clients[name] = Client(self.http, name, user_id, self.sandbox.token(name))
        return self._clients[name]

    def trader(self) -> Client:
        """A trader that no test has had before."""
        return self.client(f"trader-{next(self._next)}")

    def faults(self, **settings: Any) -> None:
        """Replace the exchange's fault settings; without any it behaves."""
        httpx.post(f"{self.sandbox.exchange_admin_url}/faults", json=settings, timeout=30).raise_for_status()

    def venue(self, path: str) -> Json:
        """A GET of the exchange's admin API."""
        response = httpx.get(f"{self.sandbox.exchange_admin_url}{path}", timeout=30).raise_for_status()
        body: Json = response.json()
        return body

    def ask(self, question: str, *values: object) -> Any:
        """The first value of a query of the broker's database, None while that is down: the API limits requests."""
        try:
            with psycopg.connect(self.sandbox.dsn(), connect_timeout=5) as connection:
                row = connection.execute(question, values).fetchone()
        except psycopg.OperationalError:
            return None
        return row[0] if row else None

    def assert_sound(self, *, at_rest: bool = True, journal: Path | None = None) -> None:
        """Every invariant holds."""
        verdict = verify_sandbox(self.sandbox.data, at_rest=at_rest, journal=journal)
        assert verdict.ok, "\n".join(map(str, verdict.violations))
