"""The policy of a product: what is held, what a fill moves, and how a trade is charged.

Risk asks it before an order is accepted, the books under the user's lock: one place decides both.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.charges.charge import Payee
from shared.domain.charges.rate_cards import ChargeKind
from shared.domain.ledger.accounts import Account
from shared.domain.ledger.entries import Leg
from shared.domain.ledger.holds import Hold, HoldChange, HoldPurpose
from shared.domain.orders.terms import Terms

type TotalCharges = Callable[[int], int]
"""Charges in paise on an order's cumulative notional: zero at zero and never falling."""


class HoldAccount(NamedTuple):
    """What an order's hold is taken from."""

    account: Account
    asset: str


class Position(NamedTuple):
    """A user's position of a trade date in an instrument and product: what was bought minus what was sold, and what is
    held for it."""

    purpose: HoldPurpose
    net_quantity: int
    holds: tuple[Hold, ...]

    @property
    def held(self) -> int:
        """The sum of its open holds."""
        return sum(hold.open for hold in self.holds)


class Fill(NamedTuple):
    """One execution as the books see it: `value` and `charges` in paise, the charges by who receives them.

    `position` is the position before it, where the product keeps positions.
    """

    user_id: UUID
    order_id: UUID
    terms: Terms
    quantity: int
    value: int
    charges: int
    by_payee: Mapping[Payee, int]
    position: Position | None = None


class Booking(NamedTuple):
    """What a fill does: what it takes of the order's hold, the legs of its entry, other holds it changes, and whether
    the securities change hands, so that the client owns them at a cost."""

    captured: int
    legs: tuple[Leg, ...]
    holds: tuple[HoldChange, ...] = ()
    delivers: bool = False


class ProductPolicy(Protocol):
    """Pure functions of terms and amounts."""

    @property
    def charge_kind(self) -> ChargeKind:
        """Which rate card its trades are charged by."""

    @property
    def keeps_position(self) -> bool:
        """Whether a fill depends on the position it changes, which is then loaded with the order."""

    def hold_account(self, terms: Terms) -> HoldAccount:
        """Where an order's hold is taken."""

    def worst_case(self, terms: Terms, leaves: int, notional: int, charges: TotalCharges) -> int:
        """What must be held for `leaves` more after fills of `notional`; zero when nothing is left."""

    def excess(self, is_open: int, required: int) -> int:
        """What to release of the open holds when so much is required; raises AssertionError where that breaks a rule
        of the product."""

    def book(self, fill: Fill) -> Booking:
        """What a fill moves. What it captures never exceeds what the worst case falls by."""
