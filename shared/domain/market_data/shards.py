"""Shards: lists of at most 20 instruments that are watched together, and what is known of each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from shared.domain.market_data.quotes import SessionPhase

MOST_INSTRUMENTS: Final = 20
STALE_AFTER_S: Final = 3.0
"""Three heartbeats."""


class ShardState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A shard as its newest heartbeat left it, packed as `Quote` is."""

    shard: str
    epoch: int
    trade_date: str
    """ISO 8601."""
    phase: SessionPhase
    sent_at: int
    """Exchange time of the heartbeat, in microseconds."""
    received_at: int
    """When the hub took it, by our clock, in microseconds since 1970 UTC: a replay does not make it younger."""

    def age_s(self, now: float) -> float:
        """Seconds since the heartbeat; `now` is our clock in seconds since 1970 UTC."""
        return now - self.received_at / 1_000_000

    def is_stale(self, now: float) -> bool:
        """Whether the feed is mute. A quiet instrument with heartbeats is not stale, nor is a closed market."""
        return self.age_s(now) > STALE_AFTER_S


class ShardMap:
    """Which instrument is in which shard."""

    def __init__(self, members: Iterable[tuple[str, str]]) -> None:
        """From (shard, instrument) pairs. Raises ValueError for a shard of over 20, or an instrument in two places."""
        by_shard: dict[str, list[str]] = {}
        self._shards: dict[str, str] = {}
        for shard, instrument_id in members:
            if instrument_id in self._shards:
                raise ValueError(f"{instrument_id} is in {self._shards[instrument_id]} and in {shard}")
            self._shards[instrument_id] = shard
            by_shard.setdefault(shard, []).append(instrument_id)
        for shard, instruments in by_shard.items():
            if len(instruments) > MOST_INSTRUMENTS:
                raise ValueError(f"{shard} has {len(instruments)} instruments: at most {MOST_INSTRUMENTS} fit")
        self._instruments: Mapping[str, Sequence[str]] = by_shard

    @property
    def shards(self) -> Sequence[str]:
        """The shards, in the order of the file."""
        return tuple(self._instruments)

    def shard_of(self, instrument_id: str) -> str | None:
        """The instrument's shard; None when the feed does not carry it."""
        return self._shards.get(instrument_id)

    def shards_of(self, instrument_ids: Iterable[str]) -> dict[str, str]:
        """The shard of each instrument that the feed carries; others are left out."""
        known = self._shards
        return {each: known[each] for each in instrument_ids if each in known}

    def instruments_of(self, shard: str) -> Sequence[str]:
        """The shard's instruments; empty for an unknown shard."""
        return self._instruments.get(shard, ())

    def by_shard(self, instrument_ids: Iterable[str]) -> dict[str, list[str]]:
        """The instruments that the feed carries, grouped by shard; others are left out."""
        groups: dict[str, list[str]] = {}
        for instrument_id in instrument_ids:
            if (shard := self._shards.get(instrument_id)) is not None:
                groups.setdefault(shard, []).append(instrument_id)
        return groups
