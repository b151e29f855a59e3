"""What a trade costs beside its price: dated rate cards, applied to an order's cumulative notional.

Rules: a card is pinned by trade date at acceptance. Each fill pays charges(cumulative notional after) minus
charges(cumulative notional before), so the sum never depends on how an order was filled. For that, charges
are zero for zero and never fall as notional rises; and since no part rounds to more than twice its exact value,
rates of at most half the notional together keep a sale's charges within its proceeds.
STT rounds to the nearest rupee, everything else to the nearest paisa, halves up; GST is taken of exact values.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Final

from shared.domain.money import PAISE_PER_RUPEE, round_half_up
from shared.domain.orders import Side

PARTS_PER_BILLION: Final = 1_000_000_000


class Payee(StrEnum):
    """Who receives a charge: the broker, the exchange, or public authority (STT, SEBI fee, stamp duty, GST)."""

    HOUSE = "HOUSE"
    EXCHANGE = "EXCHANGE"
    TAX = "TAX"


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


@dataclass(frozen=True, slots=True)
class Charges:
    """All charges of one notional."""

    brokerage: Charge
    stt: Charge
    exchange_transaction: Charge
    sebi: Charge
    stamp_duty: Charge
    gst: Charge

    @property
    def total(self) -> int:
        """Whole paise of all components together."""
        statutory = self.stt.paise + self.sebi.paise + self.stamp_duty.paise + self.gst.paise
        return self.brokerage.paise + self.exchange_transaction.paise + statutory

    @property
    def components(self) -> dict[str, int]:
        """Whole paise by component name, in the order of a contract note."""
        return {
            "brokerage": self.brokerage.paise,
            "stt": self.stt.paise,
            "exchange_transaction": self.exchange_transaction.paise,
            "sebi": self.sebi.paise,
            "stamp_duty": self.stamp_duty.paise,
            "gst": self.gst.paise,
        }

    @property
    def by_payee(self) -> dict[str, int]:
        """Whole paise by `Payee`; the values sum to `total`."""
        return {
            Payee.HOUSE: self.brokerage.paise,
            Payee.EXCHANGE: self.exchange_transaction.paise,
            Payee.TAX: self.stt.paise + self.sebi.paise + self.stamp_duty.paise + self.gst.paise,
        }


@dataclass(frozen=True, slots=True)
class RateCard:
    """Rates of delivery equity from a date on, in parts per billion of notional (GST: of the fees it is taken of)."""

    version: str
    valid_from: date
    brokerage_ppb: int
    stt_ppb: int
    exchange_transaction_ppb: int
    sebi_ppb: int
    stamp_duty_buy_ppb: int
    gst_ppb: int

    def __post_init__(self) -> None:
        fees = self.brokerage_ppb + self.exchange_transaction_ppb + self.sebi_ppb
        taxes = self.stt_ppb + self.stamp_duty_buy_ppb + fees * self.gst_ppb // PARTS_PER_BILLION
        rates = (self.brokerage_ppb, self.stt_ppb, self.exchange_transaction_ppb, self.sebi_ppb)
        if min(*rates, self.stamp_duty_buy_ppb, self.gst_ppb) < 0 or 2 * (fees + taxes) >= PARTS_PER_BILLION:
            raise ValueError(f"rate card {self.version}: rates must be 0 or more and under half of notional together")

    def delivery(self, side: Side, notional_paise: int) -> Charges:
        """Charges of a delivery trade of this cumulative notional. Raises ValueError when it is negative."""
        if notional_paise < 0:
            raise ValueError(f"a notional is not negative: {notional_paise} paise")
        fees = self.brokerage_ppb + self.exchange_transaction_ppb + self.sebi_ppb
        return Charges(
            brokerage=_charge(notional_paise * self.brokerage_ppb),
            stt=_charge(notional_paise * self.stt_ppb, unit_paise=PAISE_PER_RUPEE),
            exchange_transaction=_charge(notional_paise * self.exchange_transaction_ppb),
            sebi=_charge(notional_paise * self.sebi_ppb),
            stamp_duty=_charge(notional_paise * self.stamp_duty_buy_ppb if side == Side.BUY else 0),
            gst=_charge(notional_paise * fees * self.gst_ppb, PARTS_PER_BILLION**2),
        )


def _charge(numerator: int, denominator: int = PARTS_PER_BILLION, unit_paise: int = 1) -> Charge:
    return Charge(round_half_up(numerator, denominator * unit_paise) * unit_paise, numerator, denominator)


class RateCards:
    """Rate cards by date; each holds from its date until the next one's."""

    def __init__(self, cards: Iterable[RateCard]) -> None:
        """Raises ValueError without a card, or with two for one date or one version."""
        self._cards = sorted(cards, key=lambda card: card.valid_from)
        dates, versions = {card.valid_from for card in self._cards}, {card.version for card in self._cards}
        if not self._cards or len(dates) < len(self._cards) or len(versions) < len(self._cards):
            raise ValueError("rate cards: at least one is needed, with distinct versions and dates")

    def for_date(self, trade_date: date) -> RateCard:
        """The card that holds on the trade date. Raises LookupError before the first."""
        for card in reversed(self._cards):
            if card.valid_from <= trade_date:
                return card
        raise LookupError(f"no rate card holds on {trade_date}: the first is from {self._cards[0].valid_from}")

    def by_version(self, version: str) -> RateCard:
        """The card an order was pinned to. Raises LookupError when unknown."""
        for card in self._cards:
            if card.version == version:
                return card
        raise LookupError(f"no rate card has version {version!r}")
