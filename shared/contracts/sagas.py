"""Order sagas over HTTP: what every step did to every order and its money."""

from typing import Annotated, Final

from pydantic import Field

from shared.contracts.common import Amount, Id, Instant, Page, PageQuery, QueryId, View
from shared.contracts.cursors import ID, CursorFormat
from shared.domain.sagas import SagaState, Step

SAGAS: Final = CursorFormat(ID)
"""The last saga's id."""


class SagasQuery(PageQuery):
    """Which sagas to list, newest first. IN_FLIGHT includes STUCK, those past their deadline."""

    state: SagaState | None = None
    order_id: Annotated[QueryId | None, Field(description="Only sagas that carried this order")] = None
    cursor: Annotated[str, SAGAS] | None = None


class SagaView(View):
    """One saga; `unanswered` counts orders that the exchange has not answered, null before submission."""

    saga_id: Id
    state: SagaState
    taken_at: Instant
    deadline: Instant
    finished_at: Instant | None
    orders: int
    open_orders: int
    unanswered: int | None


SagaPage = Page[SagaView]


class StepView(View):
    """What one step did to an order; `attempts` counts repetitions of the step."""

    step: Step
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
