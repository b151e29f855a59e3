"""Reference data: the files in shared/data, read once into domain objects.

Rules: everything a regulator or the venue changes lives in those files, with dates. A file is checked whole before
anything is served from it; a bad value stops the start with one sentence naming file, entry and field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from shared.adapters.reference.adjustments import load_adjustments
from shared.adapters.reference.calendars import load_calendars, load_markets
from shared.adapters.reference.instruments import load_instruments, load_tick_tables
from shared.adapters.reference.limits import load_limits
from shared.adapters.reference.rate_cards import load_rate_cards
from shared.adapters.reference.rate_limits import load_rate_limits
from shared.adapters.reference.shards import load_shards
from shared.domain.charges.rate_cards import RateCards
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.market_data.adjustments import AdjustmentFactor
from shared.domain.market_data.shards import ShardMap
from shared.domain.orders.risk import LimitsBook
from shared.domain.rate_limits import RateLimitTable
from shared.domain.sessions import SessionCalendar

DATA_FOLDER: Final = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """Everything that the rules need."""

    instruments: InstrumentMaster
    rate_cards: RateCards
    calendars: Mapping[str, SessionCalendar]
    markets: Mapping[str, Mapping[str, SessionCalendar]]
    """The calendar of each segment, by the name that the setting MARKET_SESSIONS gives."""
    limits: LimitsBook
    rate_limits: RateLimitTable
    shards: ShardMap
    adjustments: Mapping[str, Sequence[AdjustmentFactor]]
    """Of each instrument that had one; prices of earlier days are made comparable with them."""


@cache
def load_reference_data(folder: Path = DATA_FOLDER) -> ReferenceData:
    """The reference data of the folder, read and checked once a process. Raises ReferenceDataError."""
    instruments, calendars = load_instruments(folder, load_tick_tables(folder)), load_calendars(folder)
    return ReferenceData(
        instruments=instruments,
        rate_cards=load_rate_cards(folder),
        calendars=calendars,
        markets=load_markets(folder, calendars, instruments.segments),
        limits=load_limits(folder),
        rate_limits=load_rate_limits(folder),
        shards=load_shards(folder, instruments),
        adjustments=load_adjustments(folder, instruments),
    )
