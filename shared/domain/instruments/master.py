"""The instrument master: every version of every instrument, looked up by id and date."""

from collections.abc import Iterable, Mapping, Set
from datetime import date
from itertools import pairwise

from shared.domain.instruments.instrument import Instrument


class InstrumentMaster:
    """Every version of every instrument, looked up by id and date."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        """Raises ValueError when versions of one instrument overlap, or differ in their segment."""
        versions: dict[str, list[Instrument]] = {}
        for instrument in sorted(instruments, key=lambda each: (each.instrument_id, each.valid_from)):
            versions.setdefault(instrument.instrument_id, []).append(instrument)
        for of_one in versions.values():
            _refuse_overlap(of_one)
            _refuse_other_segment(of_one)
        self._versions: Mapping[str, list[Instrument]] = versions
        self._by_security: dict[str, list[str]] = {}
        for instrument_id, of_one in versions.items():
            for security_id in sorted({each.security_id for each in of_one}):
                self._by_security.setdefault(security_id, []).append(instrument_id)

    @property
    def ids(self) -> Set[str]:
        """Every instrument that is or was traded."""
        return self._versions.keys()

    @property
    def segments(self) -> frozenset[str]:
        """Where instruments trade."""
        return frozenset(of_one[0].segment for of_one in self._versions.values())

    def segment_of(self, instrument_id: str) -> str:
        """Where the instrument trades, which no version changes; empty when it is unknown."""
        versions = self._versions.get(instrument_id)
        return "" if versions is None else versions[0].segment

    def find(self, instrument_id: str, on: date) -> Instrument | None:
        """The version traded on the date; else the newest one, which is then not active; None when unknown."""
        versions = self._versions.get(instrument_id)
        if versions is None:
            return None
        return next((each for each in versions if each.is_active(on)), versions[-1])

    def find_security(self, security_id: str, on: date) -> Instrument | None:
        """An instrument that trades the security on the date, else the newest one that did; None when unknown."""
        found = [self.find(instrument_id, on) for instrument_id in self._by_security.get(security_id, ())]
        known = [each for each in found if each is not None]
        return next((each for each in known if each.is_active(on)), known[0] if known else None)

    def list_active(self, dates: Mapping[str, date]) -> list[Instrument]:
        """All instruments traded on the date of their segment, by id."""
        every = (each for versions in self._versions.values() for each in versions)
        return [each for each in every if each.is_active(dates[each.segment])]


def _refuse_overlap(versions: list[Instrument]) -> None:
    for earlier, later in pairwise(versions):
        if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
            raise ValueError(
                f"{later.instrument_id}: the version from {earlier.valid_from} overlaps the one from {later.valid_from}"
            )


def _refuse_other_segment(versions: list[Instrument]) -> None:
    if len({each.segment for each in versions}) > 1:
        raise ValueError(f"{versions[0].instrument_id}: an instrument stays in its segment")
