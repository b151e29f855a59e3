"""Operations over HTTP: sagas, doubts, ledger, venue and queues as staff see them.

Amounts of INR are rupees; amounts of shares are plain numbers; both are texts, because one column holds both.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared.contracts.common import Body, Id, Instant, Page, PageQuery, Query, QueryDate, QueryId, Text, View

type SagaState = Literal["IN_FLIGHT", "STUCK", "FINISHED"]
type Amount = Annotated[str, Field(description="Rupees of INR, or a number of shares", examples=["1500.05", "10"])]


class SagasQuery(PageQuery):
    """Which sagas to list, newest first. IN_FLIGHT includes STUCK, those past their deadline."""

    state: SagaState | None = None
    order_id: Annotated[QueryId | None, Field(description="Only sagas that carried this order")] = None


class SagaView(View):
    """One saga; `unanswered` counts orders that the exchange has not answered, null before submission."""

    saga_id: Id
    state: SagaState
    claimed_at: Instant
    deadline: Instant
    finished_at: Instant | None
    orders: int
    open_orders: int
    unanswered: int | None


SagaPage = Page[SagaView]


class StepView(View):
    """What one step did to an order; `attempts` counts repetitions of the step."""

    step: str
    outcome: str
    detail: str
    attempts: int
    at: Instant


class HoldView(View):
    """One hold of the order."""

    account: str
    asset: str
    amount: Amount
    captured: Amount
    released: Amount
    open: Amount


class TransferView(View):
    """One ledger line of the order."""

    line_no: int
    entry_id: Id
    debit_account: str
    credit_account: str
    asset: str
    amount: Amount
    reason: str
    booked_at: Instant


class SagaOrderView(View):
    """One order of a saga with everything that happened to it and its money."""

    user_id: Id
    order_id: Id
    instrument_id: str
    side: str
    quantity: int
    filled_quantity: int
    state: str
    pending_request: str | None
    owner: str
    deadline: Instant | None
    in_doubt: bool
    status_message: str
    steps: list[StepView]
    holds: list[HoldView]
    transfers: list[TransferView]


class SagaDetailView(SagaView):
    """A saga with its orders, at one instant."""

    members: list[SagaOrderView]


class DoubtView(View):
    """An order whose state at the exchange could not be established; its hold stays until somebody decides."""

    order_id: Id
    user_id: Id
    since: Instant
    instrument_id: str
    side: str
    quantity: int
    filled_quantity: int
    state: str
    submitted_at: Instant | None
    expire_at: Instant | None
    hold_asset: str | None
    hold_open: Amount | None
    evidence: Any


DoubtPage = Page[DoubtView]


class ResolveDoubt(Body):
    """What was established with the exchange. Resolving an order that fills afterwards needs a new trade: be sure."""

    resolution: Annotated[
        Literal["NOT_RECEIVED", "CANCELED"],
        Field(description="NOT_RECEIVED: the exchange never took the order; CANCELED: it took it and it is gone"),
    ]
    reference: Annotated[Text, Field(description="The exchange's reference, ticket or message that proves it")]
    note: Annotated[Text, Field(description="What the client reads as the order's status message")]


class ResolvedView(View):
    """The decision on record."""

    order_id: Id
    user_id: Id
    resolution: str
    reference: str
    resolved_by: Id
    resolved_at: Instant
    order_state: str


class AccountView(View):
    """One account's sum, credits minus debits; `clients` is what the clients' own rows add up to."""

    account: str
    balance: Amount
    clients: Amount | None


class AssetView(View):
    """All accounts of one asset; their sum must be zero and clients' rows must equal their ledger."""

    asset: str
    accounts: list[AccountView]
    total: Amount
    balanced: bool


class TrialBalanceView(View):
    """The whole ledger at one instant."""

    taken_at: Instant
    checkpoint_at: Instant | None
    balanced: bool
    assets: list[AssetView]


class ReconciliationQuery(Query):
    """Which session to compare."""

    trade_date: QueryDate
    venue: Annotated[str, Field(pattern=r"^[A-Z]{2,6}$")] = "NSE"


class DifferenceView(View):
    """What the venue has and what we have under the same id; null where one side has nothing."""

    id: str
    venue: Any
    ours: Any


class ReconciliationView(View):
    """Differences both ways; the first 200 of each kind are listed. What is on its way is a difference too."""

    venue: str
    trade_date: str
    equal: bool
    venue_executions: int
    our_executions: int
    execution_differences: int
    executions: list[DifferenceView]
    venue_live_orders: int
    our_working_orders: int
    order_differences: int
    orders: list[DifferenceView]


class BacklogView(View):
    """What waits in one of our own tables."""

    name: str
    waiting: int
    oldest_at: Instant | None


class QueueView(View):
    """One queue of the bus; null where the bus does not tell."""

    name: str
    active: int | None
    dead_lettered: int | None
    oldest_at: Instant | None


class DeadLetterView(View):
    """A message that the bus gave up on; it stays where it is."""

    queue: str
    sequence_number: int
    message_id: str | None
    enqueued_at: Instant | None
    delivery_count: int
    reason: str | None
    description: str | None


class ParkedReportView(View):
    """A report of the exchange that contradicted the books."""

    parked_no: int
    parked_at: Instant
    reason: str
    order_id: Id | None
    body: str


class BacklogsView(View):
    """Everything that waits. `bus` is DOWN when the queues could not be looked at."""

    bus: Literal["UP", "DOWN"]
    tables: list[BacklogView]
    queues: list[QueueView]
    dead_letters: list[DeadLetterView]
    parked_reports: list[ParkedReportView]
