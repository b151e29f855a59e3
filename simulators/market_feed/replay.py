"""Publishes updates of the past, at any speed, as if they happened now.

The clock is that of the updates: it starts with the first and runs `speed` times as fast as the real one. Epochs count
from one that is given, for a reader takes nothing of a smaller epoch than it knows.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from simulators.market_feed.frames import Update, Window, decode_update, encode_update, keyframe_window
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.trades import Trades

# Shorter pauses cost more than they are worth: updates that are due this soon are published at once.
_SHORTEST_PAUSE_S = 0.005
_LARGEST_ROUND = 200


class RecordingError(Exception):
    """The file is no recording; the message says why."""


def read_recording(path: Path) -> Iterator[Update]:
    """The updates of a file of JSON lines. Raises RecordingError, where it is damaged."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield decode_update(line)
                except msgspec.MsgspecError as error:
                    raise RecordingError(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from error


class Recorder:
    """Appends updates to a file, one a line."""

    def __init__(self, path: Path) -> None:
        # Not buffered: a kill leaves whole lines.
        self._file = path.open("ab", buffering=0)

    def take(self, update: Update) -> None:
        """Write the update; one without windows says nothing that is worth keeping."""
        if update.windows:
            self._file.write(encode_update(update))


class Numbering:
    """Gives updates the epochs and sequences of this replay."""

    def __init__(self, first_epoch: int) -> None:
        self.epoch = first_epoch - 1
        self._newest: dict[str, Window] = {}
        self._base: dict[str, int] = {}
        self._last: Update | None = None

    def next(self, update: Update) -> Update:
        """The update as it is published. A keyframe begins the next epoch."""
        self._last = update
        if update.keyframe:
            self.epoch += 1
            self._base = {}
            self._newest = {}
        windows = tuple(self._window(window) for window in update.windows)
        trades = tuple(
            msgspec.structs.replace(each, sequence=each.sequence - self._base.get(each.instrument_id, 0))
            for each in update.trades
        )
        return msgspec.structs.replace(update, epoch=self.epoch, windows=windows, trades=trades)

    def restart(self) -> Update | None:
        """A keyframe of what is known that begins the next epoch; None before the first update."""
        if self._last is None:
            return None
        self.epoch += 1
        self._base = {name: window.last_sequence for name, window in self._newest.items()}
        windows = tuple(
            keyframe_window(name, 0, window.exchange_time, window.state) for name, window in self._newest.items()
        )
        return msgspec.structs.replace(self._last, epoch=self.epoch, keyframe=True, windows=windows, trades=())

    def _window(self, window: Window) -> Window:
        self._newest[window.instrument_id] = window
        base = self._base.get(window.instrument_id, 0)
        if not base:
            return window
        return msgspec.structs.replace(
            window, first_sequence=window.first_sequence - base, last_sequence=window.last_sequence - base
        )


class Replay:
    """A source (`Source`) of updates that are known; `trades` answers resends of what it has published."""

    def __init__(
        self,
        updates: Iterable[Update],
        publisher: Publisher,
        trades: Trades,
        *,
        speed: float = 1.0,
        first_epoch: int = 1,
        stay: bool = False,
    ) -> None:
        self.begun = asyncio.Event()
        self._updates = updates
        self._publisher = publisher
        self._trades = trades
        self._speed = speed
        self._stay = stay
        self._numbering = Numbering(first_epoch)
        self._offset_us = 0

    @property
    def epoch(self) -> int:
        """The epoch that is being published."""
        return self._numbering.epoch

    async def run(self) -> None:
        """Publish all updates when they are due, and return when they are sent; with `stay`, never."""
        started_s, first_us = time.monotonic(), 0
        for number, update in enumerate(self._updates):
            at = max((window.exchange_time for window in update.windows), default=first_us)
            first_us = first_us or at
            early_s = (at - first_us) / 1e6 / self._speed - (time.monotonic() - started_s)
            if early_s > _SHORTEST_PAUSE_S:
                await asyncio.sleep(early_s)
            elif number % _LARGEST_ROUND == 0:
                await asyncio.sleep(0)
            await self._publisher.until_roomy()
            self._offset_us = at - time.time_ns() // 1000
            self._publish(self._numbering.next(update))
        if self._stay:
            await asyncio.Event().wait()
        await self._publisher.until_sent()

    def restart(self) -> None:
        """Begin the next epoch where the replay stands."""
        keyframe = self._numbering.restart()
        if keyframe is not None:
            self._publish(keyframe)

    def _publish(self, update: Update) -> None:
        self._trades.take(update)
        self._publisher.take(msgspec.structs.replace(update, offset_us=self._offset_us))
        if not self.begun.is_set():
            self._publisher.alive(True)
            self.begun.set()
