"""A market's frames, made before anything is measured: every shard four times a second, a heartbeat a second."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.contracts.market_feed import Heartbeat, Keyframe, State, Window, Windows, encode
from shared.domain.market_data.candles import Traded, minute_of
from shared.domain.market_data.quotes import Level, SessionPhase

SHARDS, INSTRUMENTS = 256, 20
"""As many as the goal names: 5,120 instruments."""
TRADE_DATE = "2026-11-23"
START_US = 1_795_405_500_000_000
_PER_SECOND = 4
_SECOND_US = 1_000_000
_PRICE = 150_000


class Packed(NamedTuple):
    """One event: its body, and how many windows and raw ticks are in it."""

    shard: str
    body: bytes
    windows: int
    ticks: int


def members(shards: int = SHARDS) -> Iterator[tuple[str, str]]:
    """(shard, instrument) of the whole market."""
    return ((name(shard), instrument(shard, place)) for shard in range(shards) for place in range(INSTRUMENTS))


def name(shard: int) -> str:
    return f"s{shard:03d}"


def instrument(shard: int, place: int) -> str:
    return f"NSE:B{shard:03d}{place:02d}"


class Market:
    """Counts sequences and volumes, so that the frames follow one another without a gap."""

    def __init__(self, ticks_per_window: int, shards: int = SHARDS, seed: int = 7) -> None:
        self._ticks = ticks_per_window
        self._shards = shards
        self._chance = random.Random(seed)
        self._sequences = [[0] * INSTRUMENTS for _ in range(shards)]
        self._volumes = [[0] * INSTRUMENTS for _ in range(shards)]
        self.now = START_US

    def opening(self) -> list[Packed]:
        """A keyframe of every shard, before its first event."""
        made = []
        for shard in range(self._shards):
            windows = tuple(self._window(shard, place, 1, None) for place in range(INSTRUMENTS))
            frame = Keyframe(name(shard), 1, TRADE_DATE, self.now, windows)
            made.append(Packed(name(shard), encode(frame), 0, 0))
        return made

    def second(self) -> list[Packed]:
        """All frames of one second of exchange time."""
        made = []
        for _ in range(_PER_SECOND):
            self.now += _SECOND_US // _PER_SECOND
            made += [self.windows(shard, range(INSTRUMENTS)) for shard in range(self._shards)]
        return made + [self._heartbeat(shard) for shard in range(self._shards)]

    def windows(self, shard: int, places: Sequence[int]) -> Packed:
        """One frame with a window for each of these instruments of the shard."""
        windows = tuple(self._traded(shard, place) for place in places)
        frame = Windows(name(shard), 1, TRADE_DATE, self.now, windows)
        return Packed(name(shard), encode(frame), len(windows), len(windows) * self._ticks)

    def _heartbeat(self, shard: int) -> Packed:
        sequences = {instrument(shard, place): self._sequences[shard][place] for place in range(INSTRUMENTS)}
        frame = Heartbeat(name(shard), 1, TRADE_DATE, self.now, SessionPhase.CONTINUOUS, sequences)
        return Packed(name(shard), encode(frame), 0, 0)

    def _traded(self, shard: int, place: int) -> Window:
        prices = [_PRICE + 5 * self._chance.randrange(-20, 20) for _ in range(self._ticks)]
        quantities = [self._chance.randrange(1, 200) for _ in prices]
        turnover = sum(price * quantity for price, quantity in zip(prices, quantities, strict=True))
        figures = (prices[0], max(prices), min(prices), prices[-1], sum(quantities), turnover)
        traded = Traded(minute_of(self.now), len(prices), *figures)
        first = self._sequences[shard][place] + 1
        self._sequences[shard][place] += self._ticks
        self._volumes[shard][place] += traded.volume
        return self._window(shard, place, first, traded)

    def _window(self, shard: int, place: int, first: int, traded: Traded | None) -> Window:
        last = _PRICE if traded is None else traded.close
        volume = self._volumes[shard][place]
        state = State(
            SessionPhase.CONTINUOUS,
            *(last, 10, self.now, volume, volume * _PRICE, _PRICE, _PRICE + 100, _PRICE - 100, _PRICE - 50),
            *(_PRICE * 9 // 10, _PRICE * 11 // 10),
            bids=tuple(Level(last - 5 * (each + 1), 100 + each, 3) for each in range(5)),
            asks=tuple(Level(last + 5 * (each + 1), 100 + each, 3) for each in range(5)),
            total_bid_quantity=10_000,
            total_ask_quantity=10_000,
        )
        return Window(instrument(shard, place), first, self._sequences[shard][place], self.now, state, traded)
