"""Sends each shard's frames when they are due, shards side by side, each shard's batches one after the other.

While Event Hubs is away, one batch a shard is tried again and again, and windows wait, joined: see `conflation`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from simulators.market_feed.channel import Channel
from simulators.market_feed.conflation import MOST_WAITING
from simulators.market_feed.faults import Faults
from simulators.market_feed.frames import Update, Window, encode

# Changes of one round of the exchange, and of rounds that follow at once, leave together.
_GATHER_S = 0.005


class Sender(Protocol):
    """Where frames go."""

    async def send(self, shard: str, bodies: Sequence[bytes]) -> None:
        """Return once they are accepted, in this order; tries again while that fails."""


class Publisher:
    """All shards of one feed."""

    def __init__(self, shards: Mapping[str, Sequence[str]], sender: Sender, faults: Faults) -> None:
        self.frames_sent = 0
        self.updates_taken = 0
        self._channels = {shard: Channel(shard) for shard in shards}
        self._channel_of = {name: self._channels[shard] for shard, names in shards.items() for name in names}
        self._sender = sender
        self._faults = faults
        self._changed = {shard: asyncio.Event() for shard in shards}
        self._offset_us = 0
        self._sending = 0
        self._rested = asyncio.Event()

    @property
    def dropped(self) -> int:
        """Windows given up because Event Hubs was away for too long."""
        return sum(channel.dropped for channel in self._channels.values())

    async def until_roomy(self) -> None:
        """Return once windows may wait without being given up."""
        await self._until_waiting(MOST_WAITING - 2)

    async def until_sent(self) -> None:
        """Return once nothing waits and nothing is being sent."""
        await self._until_waiting(0)
        while self._sending:
            await self._next_rest()

    async def _until_waiting(self, most: int) -> None:
        while any(channel.waiting > most for channel in self._channels.values()):
            await self._next_rest()

    async def _next_rest(self) -> None:
        self._rested.clear()
        await self._rested.wait()

    def take(self, update: Update) -> None:
        """Publish what the exchange says; every update shows that it is alive."""
        self.updates_taken += 1
        self._offset_us = update.offset_us
        parts: dict[Channel, list[Window]] = {}
        if update.keyframe:
            parts = {channel: [] for channel in self._channels.values()}
        for window in update.windows:
            channel = self._channel_of.get(window.instrument_id)
            if channel is not None:
                parts.setdefault(channel, []).append(window)
        for channel, windows in parts.items():
            channel.take(update, windows)
            self._changed[channel.shard].set()

    def alive(self, alive: bool) -> None:
        """Say whether the exchange is there: heartbeats are sent only then."""
        for shard, channel in self._channels.items():
            channel.alive = alive
            self._changed[shard].set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for channel in self._channels.values():
                group.create_task(self._serve(channel), name=f"shard {channel.shard}")

    async def _serve(self, channel: Channel) -> None:
        changed = self._changed[channel.shard]
        while True:
            wait_s = channel.due_s(time.monotonic())
            if wait_s > 0:
                await _first_of(changed, wait_s)
            changed.clear()
            await asyncio.sleep(_GATHER_S)
            frames = channel.frames(time.monotonic(), self.now_us())
            sent = self._faults.apply(channel.shard, frames)
            if sent:
                self._sending += 1
                await self._sender.send(channel.shard, [encode(frame) for frame in sent])
                self._sending -= 1
                self.frames_sent += len(sent)
            self._rested.set()

    def now_us(self) -> int:
        """The exchange's clock."""
        return time.time_ns() // 1000 + self._offset_us


async def _first_of(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
