"""The one table of HTTP routes: who may call what, with which contract, under which limit.

Edge, registration, OpenAPI document, documentation and rate limits derive from it or are held equal to it by a test.

Rules:
- A caller needs one of `roles`; a person's token also needs the scope `access_as_user`, a service's token has none.
- A route of a user's resource serves the caller's own. Roles in `others` may also name another user; for everybody
  else another user's resource does not exist (404).
- `needs_kyc` is decided by the use case, which reads the KYC status together with its other facts.
- `limited_by` USE_CASE: an idempotency key must be looked up before a call is counted, so the use case counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel

from shared.contracts.backlog import BacklogView
from shared.contracts.common import OwnerQuery, PageQuery
from shared.contracts.doubts import DoubtPage, ResolveDoubt, ResolvedView
from shared.contracts.funds import FundsView, StatementPage, StatementQuery
from shared.contracts.health import HealthView
from shared.contracts.instruments import InstrumentPage, InstrumentsQuery, InstrumentView
from shared.contracts.ledger import TrialBalanceView
from shared.contracts.orders import OrderAccepted, OrderHistory, OrderPage, OrdersQuery, OrderView, PlaceOrder
from shared.contracts.portfolios import PortfolioView
from shared.contracts.reconciliation import ReconciliationQuery, ReconciliationView
from shared.contracts.sagas import SagaDetailView, SagaPage, SagasQuery
from shared.contracts.trades import TradePage, TradesQuery

SCOPE: Final = "access_as_user"
TRADER: Final = frozenset({"trader"})
STAFF: Final = frozenset({"ops_maker", "ops_checker", "compliance", "admin"})
OPERATORS: Final = frozenset({"ops_maker", "ops_checker"})
EVERYBODY: Final = TRADER | STAFF | {"market_feed"}
NOBODY: Final[frozenset[str]] = frozenset()


class IdempotencyKey(StrEnum):
    """Whether a call takes an Idempotency-Key header."""

    NONE = "NONE"
    OPTIONAL = "OPTIONAL"
    REQUIRED = "REQUIRED"


class LimitedBy(StrEnum):
    """Who counts a call against its limit."""

    EDGE = "EDGE"
    USE_CASE = "USE_CASE"
    NOBODY = "NOBODY"


@dataclass(frozen=True, slots=True, eq=False)
class Route[BodyModel, QueryModel]:
    """One row. `path` is below /api; `answers` are the statuses that are no errors, with their models."""

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BodyModel] | None = None
    query: type[QueryModel] | None = None
    roles: frozenset[str] = TRADER
    others: frozenset[str] = NOBODY
    public: bool = False
    needs_kyc: bool = False
    limited_by: LimitedBy = LimitedBy.EDGE
    idempotency_key: IdempotencyKey = IdempotencyKey.NONE
    takes_prefer_wait: bool = False
    uses_durable: bool = False
    errors: tuple[int, ...] = ()
    """Error statuses beside those that every route of its kind has."""
    max_body_bytes: int = 16_384

    @property
    def noun(self) -> str:
        """What it is about: the first segment of the path."""
        return self.path.partition("/")[0]

    @property
    def limit_name(self) -> str:
        """The route as the limits table names it: "POST /api/orders"."""
        return f"{self.method} /api/{self.path}"


PLACE_ORDER: Final = Route[PlaceOrder, None](
    "place_order",
    "POST",
    "orders",
    "Place an order",
    {202: OrderAccepted},
    body=PlaceOrder,
    needs_kyc=True,
    limited_by=LimitedBy.USE_CASE,
    idempotency_key=IdempotencyKey.OPTIONAL,
    takes_prefer_wait=True,
    uses_durable=True,
    errors=(409, 422),
)
LIST_ORDERS: Final = Route[None, OrdersQuery](
    "list_orders",
    "GET",
    "orders",
    "Orders, newest first",
    {200: OrderPage},
    query=OrdersQuery,
    roles=TRADER | STAFF,
    others=STAFF,
)
GET_ORDER: Final = Route[None, OwnerQuery](
    "get_order",
    "GET",
    "orders/{order_id}",
    "One order",
    {200: OrderView},
    query=OwnerQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    errors=(404,),
)
GET_ORDER_HISTORY: Final = Route[None, OwnerQuery](
    "get_order_history",
    "GET",
    "orders/{order_id}/history",
    "Every event of an order, and the milliseconds of each stage",
    {200: OrderHistory},
    query=OwnerQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    errors=(404,),
)
CANCEL_ORDER: Final = Route[None, None](
    "cancel_order",
    "DELETE",
    "orders/{order_id}",
    "Cancel what is left of an order",
    {202: OrderView},
    uses_durable=True,
    errors=(404, 409),
)
GET_PORTFOLIO: Final = Route[None, None](
    "get_portfolio",
    "GET",
    "portfolios/{user_id}",
    "Holdings, positions of the day, profit and loss",
    {200: PortfolioView},
    roles=TRADER | STAFF,
    others=STAFF,
    errors=(404,),
)
LIST_TRADES: Final = Route[None, TradesQuery](
    "list_trades",
    "GET",
    "trades/{user_id}",
    "Trades, newest first",
    {200: TradePage},
    query=TradesQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    errors=(404,),
)
GET_FUNDS: Final = Route[None, OwnerQuery](
    "get_funds",
    "GET",
    "funds",
    "Money: cash, holds, buying power, the day's movements",
    {200: FundsView},
    query=OwnerQuery,
    roles=TRADER | STAFF,
    others=STAFF,
)
GET_FUNDS_STATEMENT: Final = Route[None, StatementQuery](
    "get_funds_statement",
    "GET",
    "funds/statement",
    "Ledger lines of the cash account, newest first",
    {200: StatementPage},
    query=StatementQuery,
    roles=TRADER | STAFF,
    others=STAFF,
)
LIST_INSTRUMENTS: Final = Route[None, InstrumentsQuery](
    "list_instruments",
    "GET",
    "instruments",
    "Instruments traded today, with their reference prices",
    {200: InstrumentPage},
    query=InstrumentsQuery,
    roles=EVERYBODY,
)
GET_INSTRUMENT: Final = Route[None, None](
    "get_instrument",
    "GET",
    "instruments/{instrument_id}",
    "One instrument",
    {200: InstrumentView},
    roles=EVERYBODY,
    errors=(404,),
)
LIST_SAGAS: Final = Route[None, SagasQuery](
    "list_sagas",
    "GET",
    "operations/sagas",
    "Order sagas, newest first",
    {200: SagaPage},
    query=SagasQuery,
    roles=STAFF,
)
GET_SAGA: Final = Route[None, None](
    "get_saga",
    "GET",
    "operations/sagas/{saga_id}",
    "One saga: steps, attempts, outcomes and compensations per order, with the ledger lines",
    {200: SagaDetailView},
    roles=STAFF,
    errors=(404,),
)
LIST_DOUBTS: Final = Route[None, PageQuery](
    "list_doubts",
    "GET",
    "operations/in-doubt",
    "Orders in doubt, oldest first, with the evidence",
    {200: DoubtPage},
    query=PageQuery,
    roles=STAFF,
)
RESOLVE_DOUBT: Final = Route[ResolveDoubt, None](
    "resolve_doubt",
    "POST",
    "operations/in-doubt/{order_id}/resolve",
    "Close an order in doubt by what was established with the exchange",
    {200: ResolvedView},
    body=ResolveDoubt,
    roles=OPERATORS,
    idempotency_key=IdempotencyKey.REQUIRED,
    uses_durable=True,
    errors=(404, 409, 422),
)
GET_TRIAL_BALANCE: Final = Route[None, None](
    "get_trial_balance",
    "GET",
    "operations/trial-balance",
    "Every account's sum, exactly, per asset",
    {200: TrialBalanceView},
    roles=STAFF,
)
RECONCILE_VENUE: Final = Route[None, ReconciliationQuery](
    "reconcile_venue",
    "GET",
    "operations/venue-reconciliation",
    "The venue's executions and live orders against ours",
    {200: ReconciliationView},
    query=ReconciliationQuery,
    roles=STAFF,
)
GET_BACKLOG: Final = Route[None, None](
    "get_backlog",
    "GET",
    "operations/backlog",
    "What waits in queues and outboxes, dead letters and parked reports",
    {200: BacklogView},
    roles=STAFF,
)
GET_HEALTH: Final = Route[None, None](
    "get_health",
    "GET",
    "health",
    "The state of each dependency; 503 when orders can't be taken",
    {200: HealthView, 503: HealthView},
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_OPENAPI: Final = Route[None, None](
    "get_openapi",
    "GET",
    "openapi.json",
    "This document",
    {200: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_DOCS: Final = Route[None, None](
    "get_docs",
    "GET",
    "docs",
    "This document as a page to read and try",
    {200: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_DOCS_ASSET: Final = Route[None, None](
    "get_docs_asset",
    "GET",
    "docs/{asset}",
    "A script or style of that page",
    {200: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
)

ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    PLACE_ORDER,
    LIST_ORDERS,
    GET_ORDER,
    GET_ORDER_HISTORY,
    CANCEL_ORDER,
    GET_PORTFOLIO,
    LIST_TRADES,
    GET_FUNDS,
    GET_FUNDS_STATEMENT,
    LIST_INSTRUMENTS,
    GET_INSTRUMENT,
    LIST_SAGAS,
    GET_SAGA,
    LIST_DOUBTS,
    RESOLVE_DOUBT,
    GET_TRIAL_BALANCE,
    RECONCILE_VENUE,
    GET_BACKLOG,
    GET_HEALTH,
    GET_OPENAPI,
    GET_DOCS,
    GET_DOCS_ASSET,
)
