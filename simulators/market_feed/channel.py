"""One shard of the feed: from updates of the exchange to the frames that are due. Pure.

The order of a shard's frames is that of the exchange: windows of an older epoch, the keyframe that begins the newer
one, its windows. A heartbeat and a keyframe say nothing that was not sent before them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from simulators.market_feed.conflation import MOST_WAITING, Conflater, Dated
from simulators.market_feed.frames import (
    Frame,
    Heartbeat,
    Keyframe,
    SessionPhase,
    Update,
    Window,
    Windows,
    keyframe_window,
)

HEARTBEAT_EVERY_S = 1.0
KEYFRAME_EVERY_S = 30.0
_MOST_HELD_BACK = MOST_WAITING // 2


class Channel:
    """Frames of a shard. `alive` is set by whoever reads the exchange, and cleared when that is away."""

    def __init__(self, shard: str) -> None:
        self.shard = shard
        self.alive = False
        self._conflater = Conflater()
        self._era = 0
        self._epoch = 0
        self._trade_date = ""
        self._phase = SessionPhase.CLOSED
        self._sent: dict[str, Dated] = {}
        self._begun = True
        self._heartbeat_at = 0.0
        self._keyframe_at = 0.0

    @property
    def dropped(self) -> int:
        """Windows that were given up because too many waited."""
        return self._conflater.dropped

    @property
    def waiting(self) -> int:
        """The most windows that wait of one instrument."""
        return self._conflater.longest

    def take(self, update: Update, windows: Iterable[Window]) -> None:
        """Take this shard's windows of an update."""
        self._phase = update.phase
        if update.keyframe and not self._begun:
            # Nothing of an epoch goes out whose keyframe did not.
            self._conflater.forget(self._epoch)
        if (update.epoch, update.trade_date) != (self._epoch, self._trade_date):
            self._era += 1
            self._epoch, self._trade_date = update.epoch, update.trade_date
        dated = [Dated(self._era, update.epoch, update.trade_date, window) for window in windows]
        if update.keyframe:
            self._begun, self._heartbeat_at = False, 0.0
            self._sent = {each.window.instrument_id: each for each in dated}
        else:
            for each in dated:
                self._conflater.add(each)

    def due_s(self, now_s: float) -> float:
        """Seconds until frames are due."""
        if not self._begun or self.waiting > _MOST_HELD_BACK:
            return 0.0
        waiting = self._conflater.due_s(now_s)
        beat = max(0.0, self._heartbeat_at - now_s) if self.alive else HEARTBEAT_EVERY_S
        return beat if waiting is None else min(beat, waiting)

    def frames(self, now_s: float, sent_at: int) -> list[Frame]:
        """The frames that are due at a monotonic time; `sent_at` is the exchange's clock."""
        # A keyframe that begins an epoch waits for nothing of the one before it, and nothing waits to be dropped.
        taken = self._conflater.take(now_s, everything=not self._begun or self.waiting > _MOST_HELD_BACK)
        frames: list[Frame] = [*self._windows([each for each in taken if each.epoch < self._epoch], sent_at)]
        if not self._begun:
            self._begun = True
            frames += self._keyframe(tuple(self._sent.values()), now_s, sent_at)
        newer = [each for each in taken if each.epoch == self._epoch]
        self._sent.update((each.window.instrument_id, each) for each in newer)
        frames += self._windows(newer, sent_at)
        if self.alive and self._sent:
            if now_s >= self._keyframe_at:
                # One that is no longer listed has nothing of this trade date.
                today = tuple(each for each in self._sent.values() if each.era == self._era)
                frames += self._keyframe(today, now_s, sent_at)
            if now_s >= self._heartbeat_at:
                frames.append(self._heartbeat(now_s, sent_at))
        return frames

    def _heartbeat(self, now_s: float, sent_at: int) -> Heartbeat:
        self._heartbeat_at = now_s + HEARTBEAT_EVERY_S
        sequences = {name: each.window.last_sequence for name, each in self._sent.items()}
        return Heartbeat(self.shard, self._epoch, self._trade_date, sent_at, self._phase, sequences)

    def _keyframe(self, shown: Sequence[Dated], now_s: float, sent_at: int) -> Iterator[Keyframe]:
        self._keyframe_at = now_s + KEYFRAME_EVERY_S
        if shown:
            sent = [each.window for each in shown]
            windows = (keyframe_window(w.instrument_id, w.last_sequence, w.exchange_time, w.state) for w in sent)
            yield Keyframe(self.shard, shown[0].epoch, shown[0].trade_date, sent_at, tuple(windows))

    def _windows(self, taken: Sequence[Dated], sent_at: int) -> Iterator[Windows]:
        """A frame for each epoch and trade date, in their order."""
        for _, group in groupby(sorted(taken, key=_era_of), key=_era_of):
            same = list(group)
            windows = tuple(each.window for each in same)
            yield Windows(self.shard, same[0].epoch, same[0].trade_date, sent_at, windows)


def _era_of(dated: Dated) -> int:
    return dated.era
