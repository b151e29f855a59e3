"""Factors of splits and bonuses: `adjustments.json`."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

from shared.adapters.reference.entry import Entry, ReferenceDataError, a_day, document, expected, naming, word
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.market_data.adjustments import AdjustmentFactor

_RATIO: Final = re.compile(r"[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?", re.ASCII)


def load_adjustments(folder: Path, instruments: InstrumentMaster) -> Mapping[str, Sequence[AdjustmentFactor]]:
    """By instrument. Raises ReferenceDataError, also for two factors of one instrument and date."""
    file = document(folder / "adjustments.json")
    found: dict[str, list[AdjustmentFactor]] = {}
    for entry in file.entries("factors"):
        instrument_id, factor = entry.read("instrument_id", word), _factor(entry)
        of_one = found.setdefault(instrument_id, [])
        if instrument_id not in instruments.ids:
            raise ReferenceDataError(f"{entry.where}: {instrument_id} is no instrument")
        if any(each.ex_date == factor.ex_date for each in of_one):
            raise ReferenceDataError(f"{entry.where}: {instrument_id} has two factors on {factor.ex_date}")
        of_one.append(factor)
    return found


def _factor(entry: Entry) -> AdjustmentFactor:
    with naming(entry.where):
        return AdjustmentFactor(entry.read("ex_date", a_day), entry.read("factor", _ratio))


def _ratio(value: object) -> Fraction:
    if not isinstance(value, str) or not _RATIO.fullmatch(value):
        raise expected('a ratio such as "2" or "3/2"', value)
    return Fraction(value)
