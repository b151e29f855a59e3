"""Market makers: ladders around references that walk at random, reproducible by seed.

A reference moves by at most two ticks a step and stays within half of the instrument's price band. The walk itself
costs nothing durable; a ladder enters the journal, as one entry, only when it can matter: for an instrument
that a request names or an order works in. After a restart the walk goes on from the last journaled reference.
"""

import random
from collections.abc import Iterable
from datetime import date

from simulators.exchange.commands import Quotes
from simulators.exchange.instruments import Instrument, InstrumentMaster

_LEVELS = 5
_HALF_SPREAD_TICKS = 2
_MOVES = (-2, -1, -1, 0, 0, 0, 1, 1, 2)


class MarketMakers:
    """Walks every listed instrument's reference once per `interval_s` and builds ladders on demand."""

    def __init__(self, master: InstrumentMaster, seed: int, interval_s: float = 1.0) -> None:
        self.interval_s = interval_s
        self.references: dict[str, int] = {}
        self._master = master
        self._seed = seed
        self._random: dict[str, random.Random] = {}
        self._quoted: dict[str, int] = {}
        self._step = 0
        self._next_s: float | None = None

    def resume(self, references: dict[str, int]) -> None:
        """Take over the references of a rebuilt venue, whose ladders stand until they are replaced."""
        self.references.update(references)
        self._quoted.clear()

    def advance(self, now_s: float, day: date) -> bool:
        """Walk if a step is due at monotonic time `now_s`; True when it did."""
        if self._next_s is not None and now_s < self._next_s:
            return False
        self._next_s = now_s + self.interval_s
        self._step += 1
        for instrument in self._master.listed(day):
            self._walk(instrument)
        return True

    def due_s(self, now_s: float) -> float:
        """Seconds until the next step."""
        return max(0.0, (self._next_s or now_s) - now_s)

    def refresh(self, instrument_ids: Iterable[str], day: date) -> list[Quotes]:
        """Ladders of those instruments whose quotes are older than the current step."""
        stale = [name for name in dict.fromkeys(instrument_ids) if self._quoted.get(name) != self._step]
        found = [instrument for name in stale if (instrument := self._master.find(name, day))]
        for instrument in found:
            self._quoted[instrument.instrument_id] = self._step
        return [self.ladder(instrument) for instrument in found]

    def withdraw(self) -> None:
        """Forget what is quoted, as a session's end takes all ladders out."""
        self._quoted.clear()

    def reference(self, instrument: Instrument) -> int:
        """The instrument's reference price in paise, inside half its band and on its tick."""
        low, high = _bounds(instrument)
        price = self.references.get(instrument.instrument_id, instrument.reference)
        return min(max(price // instrument.tick * instrument.tick, low), high)

    def ladder(self, instrument: Instrument) -> Quotes:
        """Five levels a side; the best alone holds the largest order the venue takes."""
        reference = self.reference(instrument)
        low, high = instrument.band
        size = max(instrument.freeze_quantity // instrument.lot, 1) * instrument.lot
        steps = [(_HALF_SPREAD_TICKS + level) * instrument.tick for level in range(_LEVELS)]
        bids = tuple((reference - step, size) for step in steps if reference - step >= low)
        asks = tuple((reference + step, size) for step in steps if reference + step <= high)
        return Quotes(instrument.instrument_id, reference, bids, asks)

    def _walk(self, instrument: Instrument) -> None:
        name = instrument.instrument_id
        chance = self._random.get(name)
        if chance is None:
            chance = self._random[name] = random.Random(f"{self._seed}:{name}")  # noqa: S311 - simulation
        low, high = _bounds(instrument)
        moved = self.reference(instrument) + chance.choice(_MOVES) * instrument.tick
        self.references[name] = min(max(moved, low), high)


def _bounds(instrument: Instrument) -> tuple[int, int]:
    low, high = instrument.band
    tick, reference = instrument.tick, instrument.reference // instrument.tick * instrument.tick
    return max((reference + low) // 2 // tick * tick, tick), max((reference + high) // 2 // tick * tick, tick)
