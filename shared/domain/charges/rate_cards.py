"""Dated rate cards by segment and kind of charge, applied to an order's cumulative notional.

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
from typing import Final

from shared.domain.charges.charge import Charge, Charges, Component
from shared.domain.money import PAISE_PER_RUPEE, round_half_up
from shared.domain.orders.terms import Side

PARTS_PER_BILLION: Final = 1_000_000_000


class ChargeKind(StrEnum):
    """What a trade is charged as; products share kinds."""

    DELIVERY = "DELIVERY"


@dataclass(frozen=True, slots=True)
class RateCard:
    """Rates of one segment and kind from a date on, in parts per billion of notional (GST: of the fees it taxes)."""

    version: str
    segment: str
    kind: ChargeKind
    valid_from: date
    brokerage_ppb: int
    stt_buy_ppb: int
    stt_sell_ppb: int
    exchange_transaction_ppb: int
    sebi_ppb: int
    stamp_duty_buy_ppb: int
    gst_ppb: int

    def __post_init__(self) -> None:
        fees = self.brokerage_ppb + self.exchange_transaction_ppb + self.sebi_ppb
        stt = max(self.stt_buy_ppb, self.stt_sell_ppb)
        taxes = stt + self.stamp_duty_buy_ppb + fees * self.gst_ppb // PARTS_PER_BILLION
        rates = (self.brokerage_ppb, self.stt_buy_ppb, self.stt_sell_ppb, self.exchange_transaction_ppb)
        least = min(*rates, self.sebi_ppb, self.stamp_duty_buy_ppb, self.gst_ppb)
        if least < 0 or 2 * (fees + taxes) >= PARTS_PER_BILLION:
            raise ValueError(f"rate card {self.version}: rates must be 0 or more and under half of notional together")

    def charges(self, side: Side, notional_paise: int) -> Charges:
        """Charges of a trade of this cumulative notional. Raises ValueError when it is negative."""
        if notional_paise < 0:
            raise ValueError(f"a notional is not negative: {notional_paise} paise")
        buys = side is Side.BUY
        fees = self.brokerage_ppb + self.exchange_transaction_ppb + self.sebi_ppb
        stt_ppb = self.stt_buy_ppb if buys else self.stt_sell_ppb
        return Charges(
            {
                Component.BROKERAGE: _charge(notional_paise * self.brokerage_ppb),
                Component.STT: _charge(notional_paise * stt_ppb, unit_paise=PAISE_PER_RUPEE),
                Component.EXCHANGE_TRANSACTION: _charge(notional_paise * self.exchange_transaction_ppb),
                Component.SEBI: _charge(notional_paise * self.sebi_ppb),
                Component.STAMP_DUTY: _charge(notional_paise * self.stamp_duty_buy_ppb if buys else 0),
                Component.GST: _charge(notional_paise * fees * self.gst_ppb, PARTS_PER_BILLION**2),
            }
        )


def _charge(numerator: int, denominator: int = PARTS_PER_BILLION, unit_paise: int = 1) -> Charge:
    return Charge(round_half_up(numerator, denominator * unit_paise) * unit_paise, numerator, denominator)


class RateCards:
    """Rate cards by segment, kind and date; each holds from its date until the next one's."""

    def __init__(self, cards: Iterable[RateCard]) -> None:
        """Raises ValueError without a card, or with two for one date or one version of a segment and kind."""
        self._cards: dict[tuple[str, ChargeKind], list[RateCard]] = {}
        for card in sorted(cards, key=lambda each: each.valid_from):
            self._cards.setdefault((card.segment, card.kind), []).append(card)
        if not self._cards:
            raise ValueError("rate cards: at least one is needed, with distinct versions and dates")
        for (segment, kind), of_kind in self._cards.items():
            dates, versions = {card.valid_from for card in of_kind}, {card.version for card in of_kind}
            if len(dates) < len(of_kind) or len(versions) < len(of_kind):
                raise ValueError(f"rate cards of {segment} {kind}: versions and dates must be distinct")

    def find(self, segment: str, kind: ChargeKind, trade_date: date) -> RateCard:
        """The card that holds on the trade date. Raises LookupError when none does."""
        for card in reversed(self._cards.get((segment, kind), [])):
            if card.valid_from <= trade_date:
                return card
        raise LookupError(f"no rate card of segment {segment!r}, {kind}, holds on {trade_date}")
