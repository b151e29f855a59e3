"""The broker's own limits on orders: `limits.json`."""

from pathlib import Path

from shared.adapters.reference.entry import (
    Entry,
    a_day,
    basis_points,
    document,
    naming,
    positive_integer,
    positive_rupees,
    word,
    words,
)
from shared.domain.orders.risk import Limits, LimitsBook


def load_limits(folder: Path) -> LimitsBook:
    file = document(folder / "limits.json")
    with naming(file.where):
        return LimitsBook(_limits(entry) for entry in file.entries("versions"))


def _limits(entry: Entry) -> Limits:
    with naming(entry.where):
        return Limits(
            version=entry.read("version", word),
            valid_from=entry.read("valid_from", a_day),
            max_order_value_paise=entry.read("max_order_value", positive_rupees),
            max_order_quantity=entry.read("max_order_quantity", positive_integer),
            market_protection_bps=entry.read("market_protection_percent", basis_points),
            products=entry.read("products", words),
            order_types=entry.read("order_types", words),
            times_in_force=entry.read("times_in_force", words),
        )
