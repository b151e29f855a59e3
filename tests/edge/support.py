"""Fakes of the use cases and a client that calls endpoints as the worker does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import azure.functions as func
import orjson

from functions.edge.edge import Endpoint
from shared.application.orders.judge import PlaceCall
from shared.application.orders.place import Placed, PlacedList
from shared.domain.errors import RateLimitedError, UnauthenticatedError
from shared.domain.orders.order import Order
from shared.json_values import Json
from shared.ports.identity import Actor
from shared.ports.order_sagas import OrderSagas
from shared.ports.orders import OrderFilter
from shared.ports.rate_limits import RateLimit

ALICE = UUID("5f2cb731-1b87-5476-9f09-037b085b7713")
BOB = UUID("e2c8932b-707f-545d-a054-bd45b1538977")
OLGA = UUID("7719f076-f9ce-580e-acea-fce223ffdc8b")
SCOPES = frozenset({"access_as_user"})
ACTORS = {
    "alice": Actor(ALICE, frozenset({"trader"}), SCOPES),
    "bob": Actor(BOB, frozenset({"trader"}), SCOPES),
    "olga": Actor(OLGA, frozenset({"ops_maker"}), SCOPES),
    "scopeless": Actor(ALICE, frozenset({"trader"})),
    "robot": Actor(BOB, frozenset({"trader"}), is_app=True),
    "nobody": Actor(BOB, frozenset(), SCOPES),
}
PLACE: Json = {
    "instrument_id": "NSE:INFY",
    "side": "BUY",
    "order_type": "LIMIT",
    "product": "CNC",
    "quantity": 10,
    "price": "1500.05",
}
ORDER_ID = UUID("01935d3a-0000-7000-8000-000000000001")
PLACED = Placed(
    202, '{"status": "PENDING_NEW"}', ORDER_ID, replayed=False, rate_limit=RateLimit(60, 59, 60), stream_sequence=43
)


class Identity:
    """Knows its users by name."""

    async def verify(self, token: str) -> Actor:
        if token not in ACTORS:
            raise UnauthenticatedError("The access token is not valid for this API")
        return ACTORS[token]


@dataclass
class Limiter:
    """Lets everything through, or raises the error that a test has set."""

    spent: list[tuple[UUID, str]] = field(default_factory=list)
    error: Exception | None = None
    refusals: list[UUID] = field(default_factory=list)
    most_refusals: int = 1_000_000

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        self.spent.append((user_id, route))
        if self.error is not None:
            raise self.error
        return RateLimit(100, 99, 60)

    async def refused(self, user_id: UUID) -> None:
        self.refusals.append(user_id)
        if len(self.refusals) > self.most_refusals:
            raise RateLimitedError("used up", retry_after_s=9, details={"limit": self.most_refusals, "window_s": 60})


@dataclass
class Orders:
    """Records its calls; answers or raises as the test has set."""

    answer: Placed = PLACED
    list_answer: PlacedList = field(default_factory=lambda: PlacedList([PLACED], []))
    error: BaseException | None = None
    orders: list[Order] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def place(self, call: PlaceCall, sagas: OrderSagas) -> Placed:
        self._note("place", call.user_id, call.command, call.idempotency_key, call.prefer_wait_s)
        return self.answer

    async def place_list(self, calls: Sequence[PlaceCall], sagas: OrderSagas) -> PlacedList:
        self._note("place_list", [each.command for each in calls])
        return self.list_answer

    async def cancel(self, user_id: UUID, order_id: UUID, sagas: OrderSagas) -> tuple[Json, int]:
        self._note("cancel", user_id, order_id)
        return {"order_id": str(order_id)}, 42

    async def get(self, user_id: UUID, order_id: UUID) -> Json:
        self._note("get", user_id, order_id)
        return {"order_id": str(order_id)}

    async def history(self, user_id: UUID, order_id: UUID) -> Json:
        self._note("history", user_id, order_id)
        return {"order": {}, "events": [], "stages": []}

    async def page(self, user_id: UUID, wanted: OrderFilter, limit: int) -> list[Order]:
        self._note("page", user_id, wanted, limit)
        return self.orders[:limit]

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error


@dataclass
class Positions:
    """Every stream stands at the same sequence; None: the database is unavailable."""

    sequence: int | None = 41

    async def current(self, user_id: UUID) -> int | None:
        return self.sequence


@dataclass
class App:
    """What the edge needs of the application."""

    identity: Identity = field(default_factory=Identity)
    limiter: Limiter = field(default_factory=Limiter)
    orders: Orders = field(default_factory=Orders)
    order_sagas: Callable[[Any], Any] = field(default=lambda client: client)
    stream_positions: Positions = field(default_factory=Positions)
    watchlists: Any = None
    quotes: Any = None
    market_ticker: Any = None
    market_status: Any = None
    movers: Any = None
    candles: Any = None

    @property
    def place_orders(self) -> Orders:
        return self.orders

    @property
    def cancel_orders(self) -> Orders:
        return self.orders

    @property
    def read_orders(self) -> Orders:
        return self.orders


@dataclass(frozen=True)
class Answer:
    """A response, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def call(
    served: Endpoint[Any, Any],
    *,
    user: str | None = "alice",
    body: Any = None,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call an endpoint; a body that is no bytes is sent as JSON. The durable client is a stand-in nobody calls."""
    sent = {"content-type": "application/json"} if body is not None else {}
    if user is not None:
        sent["authorization"] = f"Bearer {user}"
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    address = served.route.path.format_map(path or {})
    host = (headers or {}).get("host", "127.0.0.1:7071")
    request = func.HttpRequest(
        served.route.method,
        f"http://{host}/api/{address}?{urlencode(query or {})}",
        headers={**sent, **(headers or {})},
        params=query or {},
        route_params=path or {},
        body=raw,
    )
    client: Any = object()
    response = await served(request, client)
    headers = {"Content-Type": response.mimetype, **response.headers}
    return Answer(response.status_code, headers, response.get_body())
