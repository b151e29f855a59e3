"""Participants who are no clients: now and then one takes some of a makers' quote, so that prices and volume move.

Each trade is a real one of the book, reproducible by seed. They never take a client's order (see `ParticipantOrder`),
so clients' orders meet only makers and each other.
"""

import random
from collections.abc import Iterator, Sequence

from simulators.exchange.commands import ParticipantOrder
from simulators.exchange.instruments import Instrument

_LOTS = (1, 1, 2, 3, 5, 5, 10, 10, 20, 25, 40, 50, 75, 100, 250)


class Participants:
    """Together they trade `trades_per_s` times a second."""

    def __init__(self, seed: int, trades_per_s: float) -> None:
        self._trades_per_s = trades_per_s
        self._random = random.Random(f"{seed}:participants")  # noqa: S311 - simulation, no secret

    def orders(self, listed: Sequence[Instrument], elapsed_s: float) -> Iterator[ParticipantOrder]:
        """What they ask for in the given time."""
        chance = self._random
        due = self._trades_per_s * elapsed_s
        for _ in range(int(due) + (chance.random() < due % 1) if listed else 0):
            instrument = chance.choice(listed)
            quantity = min(chance.choice(_LOTS) * instrument.lot, instrument.freeze_quantity)
            yield ParticipantOrder(instrument.instrument_id, chance.random() < 0.5, quantity)
