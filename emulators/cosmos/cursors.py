"""Results of queries that have to be worked out as a whole, kept for their later pages while there is room."""

import itertools
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

_MAX_BYTES = 64 * 1024 * 1024
_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Kept:
    results: Sequence[bytes]
    size: int
    since: float = field(default_factory=time.monotonic)


class Cursors:
    """Results as JSON, by a number; the least recently used are dropped first."""

    def __init__(self, most_bytes: int = _MAX_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._numbers = itertools.count(time.time_ns())
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def keep(self, results: Sequence[bytes]) -> int:
        """The number by which they may be found again, or may not: too many are not kept."""
        number, size = next(self._numbers), sum(map(len, results))
        if size <= self._most_bytes // 4:
            self._kept[number] = _Kept(results, size)
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))
        return number

    def find(self, number: int) -> Sequence[bytes] | None:
        """The results, or None after a minute, a restart, or when others needed the room."""
        kept = self._kept.get(number)
        if kept is None:
            return None
        if time.monotonic() - kept.since > _KEPT_S:
            self._drop(number)
            return None
        self._kept.move_to_end(number)
        return kept.results

    def _drop(self, number: int) -> None:
        self._bytes -= self._kept.pop(number).size
