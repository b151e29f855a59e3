"""Joins windows of one instrument without loss, so that at most four a second leave. Pure.

Windows are joined as long as they continue each other in one epoch, trade date, phase and exchange minute; trades that
are reported late stay alone. While nothing can be sent, an instrument has one waiting window a minute, and the oldest
is dropped when there are too many: the hole in the sequences shows that it is missing.
"""

from dataclasses import dataclass

from simulators.market_feed.frames import Traded, Window, minute_of

SLOTS_PER_S = 4
MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class Dated:
    """A window with what its frame says of it; `era` counts the changes of epoch and trade date."""

    era: int
    epoch: int
    trade_date: str
    window: Window


def joined(earlier: Window, later: Window) -> Window | None:
    """One window for both, or None where they must stay apart."""
    continues = later.first_sequence == earlier.last_sequence + 1 and later.state.phase == earlier.state.phase
    if not continues or minute_of(later.exchange_time) != minute_of(earlier.exchange_time):
        return None
    if _is_late(earlier) or _is_late(later):
        return None
    return Window(
        later.instrument_id,
        earlier.first_sequence,
        later.last_sequence,
        later.exchange_time,
        later.state,
        _sum(earlier.traded, later.traded),
    )


def _is_late(window: Window) -> bool:
    return window.traded is not None and window.traded.minute != minute_of(window.exchange_time)


def _sum(earlier: Traded | None, later: Traded | None) -> Traded | None:
    if earlier is None or later is None:
        return earlier or later
    return Traded(
        earlier.minute,
        earlier.count + later.count,
        earlier.open,
        max(earlier.high, later.high),
        min(earlier.low, later.low),
        later.close,
        earlier.volume + later.volume,
        earlier.turnover + later.turnover,
    )


class Conflater:
    """What waits to be sent of one shard; each instrument is taken at most once in a slot of a quarter of a second."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: dict[str, list[Dated]] = {}
        self._taken_in: dict[str, int] = {}

    def add(self, dated: Dated) -> None:
        """Let a window wait, joined with the one before it if that is possible."""
        name = dated.window.instrument_id
        waiting = self._waiting.setdefault(name, [])
        if waiting:
            last = waiting[-1]
            both = joined(last.window, dated.window) if last.era == dated.era else None
            if both is not None:
                waiting[-1] = Dated(dated.era, dated.epoch, dated.trade_date, both)
                return
        waiting.append(dated)
        if len(waiting) > MOST_WAITING:
            del waiting[0]
            self.dropped += 1

    @property
    def longest(self) -> int:
        """The most windows that wait of one instrument."""
        return max(map(len, self._waiting.values()), default=0)

    def due_s(self, now_s: float) -> float | None:
        """Seconds until something may be taken; None while nothing waits."""
        if not self._waiting:
            return None
        slot = int(now_s * SLOTS_PER_S)
        if any(self._taken_in.get(name) != slot for name in self._waiting):
            return 0.0
        return (slot + 1) / SLOTS_PER_S - now_s

    def take(self, now_s: float, *, everything: bool = False) -> list[Dated]:
        """All windows of the instruments of which none was taken in this slot, or of all instruments."""
        slot = int(now_s * SLOTS_PER_S)
        names = [name for name in self._waiting if everything or self._taken_in.get(name) != slot]
        self._taken_in.update(dict.fromkeys(names, slot))
        return [dated for name in names for dated in self._waiting.pop(name)]

    def forget(self, epoch: int) -> None:
        """Drop what waits of an epoch."""
        for name, waiting in list(self._waiting.items()):
            kept = [dated for dated in waiting if dated.epoch != epoch]
            self.dropped += len(waiting) - len(kept)
            if kept:
                self._waiting[name] = kept
            else:
                del self._waiting[name]
