"""Rate cards: `rate_cards.json`."""

from pathlib import Path

from shared.adapters.reference.entry import Entry, a_day, document, naming, parts_per_billion, word
from shared.domain.charges.rate_cards import ChargeKind, RateCard, RateCards


def load_rate_cards(folder: Path) -> RateCards:
    file = document(folder / "rate_cards.json")
    with naming(file.where):
        return RateCards(_rate_card(entry) for entry in file.entries("cards"))


def _rate_card(entry: Entry) -> RateCard:
    with naming(entry.where):
        return RateCard(
            version=entry.read("version", word),
            segment=entry.read("segment", word),
            kind=entry.read("kind", lambda value: ChargeKind(word(value))),
            valid_from=entry.read("valid_from", a_day),
            brokerage_ppb=entry.read("brokerage_percent", parts_per_billion),
            stt_buy_ppb=entry.read("stt_buy_percent", parts_per_billion),
            stt_sell_ppb=entry.read("stt_sell_percent", parts_per_billion),
            exchange_transaction_ppb=entry.read("exchange_transaction_percent", parts_per_billion),
            sebi_ppb=entry.read("sebi_percent", parts_per_billion),
            stamp_duty_buy_ppb=entry.read("stamp_duty_buy_percent", parts_per_billion),
            gst_ppb=entry.read("gst_percent", parts_per_billion),
        )
