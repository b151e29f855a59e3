"""What a unit of work has changed, as facts: an adapter writes them, and clients learn some of them."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared.domain.ledger.accounts import Account, AssetKey, BalanceKey
from shared.domain.ledger.entries import EntryKey, Transfer
from shared.domain.ledger.holds import Hold, HoldKey
from shared.domain.lots import Place
from shared.domain.orders.events import Event, Filled
from shared.domain.orders.order import Order, OrderKey, State
from shared.domain.orders.requests import ExchangeRequest
from shared.domain.positions import PositionChange, PositionKey


class EffectKind(StrEnum):
    """What an effect shows."""

    ORDER = "order"
    TRADE = "trade"
    BALANCES = "balances"


class ExecutionKey(NamedTuple):
    """What makes an execution unique; the trade date as text, YYYY-MM-DD."""

    venue: str
    trade_date: str
    exec_id: str


class Verdict(NamedTuple):
    """The first line of an order's history: it was accepted, or refused when it arrived."""

    accepted: bool


@dataclass(frozen=True, slots=True)
class Booked:
    """What an event moved, in paise of INR or shares; None where it moved nothing of the kind."""

    account: Account | None = None
    asset: str | None = None
    held: int | None = None
    captured: int | None = None
    charges: int | None = None
    released: int | None = None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One line of an order's history; `version` and `revision` are the order's after it."""

    user_id: UUID
    order_id: UUID
    revision: int
    version: int
    event: Event | Verdict
    state: State
    booked: Booked


@dataclass(frozen=True, slots=True)
class Trade:
    """One booked execution of one side. `charges` are this fill's share by component, in paise."""

    order: Order
    fill: Filled
    charges: dict[str, int]

    @property
    def key(self) -> ExecutionKey:
        return ExecutionKey(self.fill.venue, self.fill.trade_date, self.fill.exec_id)

    @property
    def place(self) -> Place:
        return Place(self.fill.trade_date, self.fill.executed_at, self.fill.exec_id, self.fill.venue)


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """The client's view of an order has changed."""

    order: Order


@dataclass(frozen=True, slots=True)
class Traded:
    """An execution was booked."""

    trade: Trade


class BalanceNow(NamedTuple):
    """One account as a unit of work leaves it."""

    account: Account
    asset: str
    balance: int
    held: int


@dataclass(frozen=True, slots=True)
class BalancesChanged:
    """Accounts of one user that a unit of work has changed, as it leaves them."""

    balances: tuple[BalanceNow, ...]


type Fact = OrderChanged | Traded | BalancesChanged


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that the user's clients must learn, in the order of `sequence`."""

    user_id: UUID
    sequence: int
    fact: Fact


@dataclass(slots=True)
class Changes:
    """What the adapter has to write."""

    orders: set[OrderKey] = field(default_factory=set)
    events: list[OrderEvent] = field(default_factory=list)
    balances: set[BalanceKey] = field(default_factory=set)
    holds: dict[HoldKey, Hold] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    entries: set[EntryKey] = field(default_factory=set)
    trades: list[Trade] = field(default_factory=list)
    positions: dict[PositionKey, PositionChange] = field(default_factory=dict)
    costs: set[AssetKey] = field(default_factory=set)
    requests: list[ExchangeRequest] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    answered: Counter[UUID] = field(default_factory=Counter)
    doubts_ended: set[OrderKey] = field(default_factory=set)
