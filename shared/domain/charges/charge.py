"""Charges of one notional: whole paise by component, rounded from exact values, and who receives each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Final


class Payee(StrEnum):
    """Who receives a charge: the broker, the exchange, or public authority (STT, SEBI fee, stamp duty, GST)."""

    HOUSE = "HOUSE"
    EXCHANGE = "EXCHANGE"
    TAX = "TAX"


class Component(StrEnum):
    """The parts of a charge, in the order of a contract note."""

    BROKERAGE = "brokerage"
    STT = "stt"
    EXCHANGE_TRANSACTION = "exchange_transaction"
    SEBI = "sebi"
    STAMP_DUTY = "stamp_duty"
    GST = "gst"


PAYEE_OF: Final[Mapping[Component, Payee]] = {
    Component.BROKERAGE: Payee.HOUSE,
    Component.STT: Payee.TAX,
    Component.EXCHANGE_TRANSACTION: Payee.EXCHANGE,
    Component.SEBI: Payee.TAX,
    Component.STAMP_DUTY: Payee.TAX,
    Component.GST: Payee.TAX,
}


@dataclass(frozen=True, slots=True)
class Charge:
    """One component: whole paise to book, rounded from exactly numerator / denominator paise."""

    paise: int
    numerator: int
    denominator: int

    @property
    def exact(self) -> Fraction:
        """The exact paise, for statements and audits."""
        return Fraction(self.numerator, self.denominator)


@dataclass(frozen=True)
class Charges:
    """All charges of one notional, by component."""

    by_component: Mapping[Component, Charge]

    @cached_property
    def components(self) -> Mapping[Component, int]:
        """Whole paise by component."""
        return {component: charge.paise for component, charge in self.by_component.items()}

    @cached_property
    def total(self) -> int:
        """Whole paise of all components together."""
        return sum(self.components.values())

    @cached_property
    def by_payee(self) -> Mapping[Payee, int]:
        """Whole paise by who receives them; the values sum to `total`."""
        sums = dict.fromkeys(Payee, 0)
        for component, paise in self.components.items():
            sums[PAYEE_OF[component]] += paise
        return sums
