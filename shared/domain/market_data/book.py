"""What ingest knows of one shard, and how a feed's frames and the venue's resends change it.

Every event of an instrument is counted once: `Progress` says up to which (epoch, sequence) events are in the candles,
and everything at or behind it adds nothing. Whatever is skipped on the way opens a gap: the trades after a mark. Its
minutes are incomplete until the venue has resent these trades; a minute is then made anew of all its trades up to the
present mark, and nothing is added to what is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from shared.domain.market_data.candles import (
    HOUR_US,
    MINUTE_US,
    Basis,
    Candle,
    CandleKey,
    Session,
    Traded,
    begun,
    continued,
    minute_of,
)
from shared.domain.market_data.quotes import Mark, Quote
from shared.domain.market_data.shards import ShardState

GRACE_US: Final = 10_000_000
"""A minute counts as closed this long after its end: venues report trades up to ten seconds late."""
_GIVE_UP_US: Final = HOUR_US
"""A closed candle waits this long for the resend that completes it."""


class Gap(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The trades after (epoch, sequence) that happened up to the minute `until` are not all known."""

    epoch: int
    sequence: int
    minute: int
    """The minute that this last counted event lies in. Trades of later minutes all have later marks."""
    until: int

    @property
    def after(self) -> Mark:
        """Where the gap begins."""
        return Mark(self.epoch, self.sequence)

    @property
    def is_whole_day(self) -> bool:
        """Whether nothing at all was known: then the trade date's first minute is the one after `minute`."""
        return self.epoch == 0


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Up to which event an instrument's candles are counted, packed as `Quote` is."""

    epoch: int
    sequence: int
    minute: int
    """The exchange's minute at that event."""
    gap: Gap | None = None
    late: tuple[int, ...] = ()
    """Minutes to ask the venue for, because a late trade belongs into them."""

    @property
    def mark(self) -> Mark:
        """The newest event that counts."""
        return Mark(self.epoch, self.sequence)

    @property
    def is_damaged(self) -> bool:
        """Whether the venue has to be asked."""
        return self.gap is not None or bool(self.late)

    @property
    def incomplete_from(self) -> int | None:
        """The first minute that may lack trades."""
        gap = () if self.gap is None else (self.gap.minute,)
        return min((*gap, *self.late), default=None)


@dataclass
class Changes:
    """What has changed in a shard since it was loaded."""

    quotes: set[str] = field(default_factory=set)
    progress: set[str] = field(default_factory=set)
    candles: dict[str, set[CandleKey]] = field(default_factory=dict)
    """By instrument. Those that are no longer in the book are to be removed."""
    state: bool = False
    announced: bool = False
    """Whether watchers should know."""

    def touch(self, instrument_id: str, key: CandleKey) -> None:
        """A candle is new, changed or gone."""
        self.candles.setdefault(instrument_id, set()).add(key)

    def __bool__(self) -> bool:
        return bool(self.progress or self.quotes or self.candles or self.state)


@dataclass
class ShardBook:
    """One shard. Changed in place; `changes` says what to store."""

    shard: str
    version: bytes = b""
    """What the store had when this was loaded."""
    state: ShardState | None = None
    quotes: dict[str, Quote] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    candles: dict[str, dict[CandleKey, Candle]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    def take(self, quote: Quote, first_sequence: int, traded: Traded | None, day_start: int) -> None:
        """One window: the state after its last event, its first event, and its trades.

        A keyframe is a window without events: `first_sequence` is the quote's + 1. `day_start` is the first instant of
        the quote's trade date, in microseconds.
        """
        instrument_id = quote.instrument_id
        known, mark = self.quotes.get(instrument_id), (quote.epoch, quote.sequence)
        if known is None or mark > (known.epoch, known.sequence):
            self.quotes[instrument_id] = quote
            self.changes.quotes.add(instrument_id)
            self.changes.announced = True
        progress = self.progress.get(instrument_id)
        if progress is not None and mark <= (progress.epoch, progress.sequence):
            return
        minute = minute_of(quote.exchange_time)
        gap, late = (None, ()) if progress is None else (progress.gap, progress.late)
        if not _continues(progress, known, quote, first_sequence, traded):
            gap = _opened(gap, progress, day_start, minute)
            self._mark_incomplete(instrument_id, gap)
        overlaps = progress is not None and quote.epoch == progress.epoch and first_sequence <= progress.sequence
        if traded is not None and not overlaps:
            late = self._add(quote, traded, gap, late)
        self._move(instrument_id, Progress(quote.epoch, quote.sequence, minute, gap, late))

    def beat(self, state: ShardState, sequences: Mapping[str, int], day_start: int) -> None:
        """One heartbeat. A sequence beyond what is counted means that the newest events are lost."""
        if self.state is not None and _age(state) <= _age(self.state):
            return
        self.changes.announced |= self.state is None or (self.state.epoch, self.state.phase) != (
            state.epoch,
            state.phase,
        )
        self.state = state
        self.changes.state = True
        minute = minute_of(state.sent_at)
        for instrument_id, sequence in sequences.items():
            progress = self.progress.get(instrument_id)
            if sequence == 0 or (progress is not None and progress.mark >= (state.epoch, sequence)):
                continue
            gap = _opened(None if progress is None else progress.gap, progress, day_start, minute)
            self._mark_incomplete(instrument_id, gap)
            late = () if progress is None else progress.late
            self._move(instrument_id, Progress(state.epoch, sequence, minute, gap, late))

    @property
    def damaged(self) -> list[str]:
        """Instruments that the venue has to be asked about."""
        return [each for each, progress in self.progress.items() if progress.is_damaged]

    def closed(self) -> dict[str, list[Candle]]:
        """Candles that history should have: their minute is over, and so is the time for repairs."""
        if self.state is None:
            return {}
        now = self.state.sent_at - MINUTE_US - GRACE_US
        found: dict[str, list[Candle]] = {}
        for instrument_id, candles in self.candles.items():
            for candle in candles.values():
                if candle.start <= now and (candle.is_complete or candle.start <= now - _GIVE_UP_US):
                    found.setdefault(instrument_id, []).append(candle)
        return found

    def forget(self, instrument_id: str, candles: Iterable[Candle]) -> None:
        """History has these; one that has changed since stays."""
        held = self.candles.get(instrument_id, {})
        for candle in candles:
            if held.get(candle.key) == candle:
                self._remove(instrument_id, candle.key)

    def replace(self, instrument_id: str, minute: int, candles: Iterable[Candle]) -> None:
        """Put these in the place of whatever the minute has."""
        made = {candle.key: candle for candle in candles}
        held = self.candles.setdefault(instrument_id, {})
        for key in [key for key in held if key.start == minute and key not in made]:
            self._remove(instrument_id, key)
        for key, candle in made.items():
            held[key] = candle
            self.changes.touch(instrument_id, key)

    def settle(self, instrument_id: str) -> None:
        """Nothing of the instrument is missing any more, or nothing can be done about it."""
        before = self.progress[instrument_id]
        self._move(instrument_id, Progress(before.epoch, before.sequence, before.minute))

    def incomplete_minutes(self, instrument_id: str) -> set[int]:
        """Minutes whose candles may lack trades."""
        held = self.candles.get(instrument_id, {}).values()
        return {candle.start for candle in held if not candle.is_complete}

    def _add(self, quote: Quote, traded: Traded, gap: Gap | None, late: tuple[int, ...]) -> tuple[int, ...]:
        """Count the trades in their minute; returns the minutes to ask the venue for."""
        key = CandleKey(traded.minute, Session.of(quote.phase))
        held = self.candles.setdefault(quote.instrument_id, {})
        candle = held.get(key)
        is_late = traded.minute < minute_of(quote.exchange_time)
        if is_late and traded.minute not in late:
            late = (*late, traded.minute)
        if candle is None and is_late and traded.minute + MINUTE_US + GRACE_US <= quote.exchange_time:
            # History may have this minute, and a candle of the late trades alone would replace it.
            return late
        basis = Basis.INCOMPLETE if gap is not None and gap.minute <= traded.minute <= gap.until else Basis.WINDOWS
        held[key] = (
            begun(traded, key.session, quote.mark, basis)
            if candle is None
            else continued(candle, traded, quote.mark, basis, is_late=is_late)
        )
        self.changes.touch(quote.instrument_id, key)
        return late

    def _mark_incomplete(self, instrument_id: str, gap: Gap) -> None:
        held = self.candles.get(instrument_id, {})
        for key, candle in held.items():
            if candle.is_complete and gap.minute <= key.start <= gap.until:
                held[key] = msgspec.structs.replace(candle, basis=Basis.INCOMPLETE)
                self.changes.touch(instrument_id, key)

    def _remove(self, instrument_id: str, key: CandleKey) -> None:
        del self.candles[instrument_id][key]
        self.changes.touch(instrument_id, key)

    def _move(self, instrument_id: str, progress: Progress) -> None:
        self.progress[instrument_id] = progress
        self.changes.progress.add(instrument_id)


def _age(state: ShardState) -> tuple[int, int, int]:
    """Orders heartbeats; what the hub took earlier is older, whatever time a frame claims."""
    return state.epoch, state.received_at, state.sent_at


def _continues(
    progress: Progress | None, known: Quote | None, quote: Quote, first_sequence: int, traded: Traded | None
) -> bool:
    """Whether no trade can be missing between what is counted and the end of this window."""
    if progress is None or known is None:
        before = 0
    elif quote.epoch == progress.epoch:
        if first_sequence != progress.sequence + 1:
            return False
        if known.mark != progress.mark:
            return True
        before = known.volume if quote.trade_date == known.trade_date else 0
    elif quote.trade_date != known.trade_date or known.mark != progress.mark:
        return False
    else:
        before = known.volume
    return before + (0 if traded is None else traded.volume) == quote.volume


def _opened(gap: Gap | None, progress: Progress | None, day_start: int, until: int) -> Gap:
    """The gap, reaching to `until`; a new one begins after what is counted, or with the day when nothing is."""
    if gap is not None:
        return Gap(gap.epoch, gap.sequence, gap.minute, max(gap.until, until))
    if progress is None:
        return Gap(0, 0, day_start - MINUTE_US, until)
    return Gap(progress.epoch, progress.sequence, progress.minute, until)
