"""Minutes made anew from the trades that a venue has resent."""

from collections.abc import Mapping, Sequence

import msgspec

from shared.domain.market_data.book import Gap, ShardBook
from shared.domain.market_data.candles import of_trades
from shared.domain.market_data.quotes import Mark
from shared.domain.market_data.tape import Trade

type ByMinute = Mapping[int, Sequence[Trade]]


class Resent(msgspec.Struct, frozen=True):
    """The venue's answers about one instrument."""

    gap: Gap | None
    """The gap that was asked about; None: only late trades led to the question."""
    trades: ByMinute
    """Every trade after the gap's beginning."""
    minutes: ByMinute
    """All trades of the minutes that were asked for one by one."""
    through: Mark
    """Each answer is complete up to and including this event."""

    def of_minute(self, minute: int) -> Sequence[Trade] | None:
        """All trades of the minute; None when the answers may lack some.

        Trades of a minute after the one in which the gap began lie all in the gap or after it.
        """
        if minute in self.minutes:
            return self.minutes[minute]
        if self.gap is not None and minute > self.gap.minute:
            return self.trades.get(minute, ())
        return None


def minutes_to_ask(book: ShardBook, instrument_id: str, resent: Resent) -> set[int]:
    """Damaged minutes that the answers so far do not cover."""
    return {each for each in _damaged(book, instrument_id, resent) if resent.of_minute(each) is None}


def repair(book: ShardBook, instrument_id: str, resent: Resent) -> bool:
    """Make the damaged minutes anew, of all their trades up to the present mark.

    False, and nothing changes, when the answers do not reach as far: more windows came or another gap opened meanwhile.
    """
    progress = book.progress[instrument_id]
    begin = None if resent.gap is None else resent.gap.after
    if (progress.gap is not None and progress.gap.after != begin) or resent.through < progress.mark:
        return False
    made = {minute: resent.of_minute(minute) for minute in _damaged(book, instrument_id, resent)}
    if None in made.values():
        return False
    for minute, trades in made.items():
        counted = [each for each in trades or () if each.mark <= progress.mark]
        book.replace(instrument_id, minute, of_trades(minute, counted, progress.mark))
    book.settle(instrument_id)
    return True


def _damaged(book: ShardBook, instrument_id: str, resent: Resent) -> set[int]:
    progress = book.progress[instrument_id]
    lost = {minute for minute, trades in resent.trades.items() if any(each.mark <= progress.mark for each in trades)}
    return lost | book.incomplete_minutes(instrument_id) | set(progress.late)
