"""Reads the exchange's stream; each connection begins an epoch (docs/reference/market-feed.md)."""

import asyncio

import aiohttp
import msgspec
import structlog

from simulators.backoff import Backoff
from simulators.market_feed.frames import decode_update
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.replay import Recorder

# The exchange writes a line at least every second.
_SILENCE_S = 3.0
_LONGEST_LINE = 16 * 2**20
_log = structlog.get_logger(__name__)


class LiveFeed:
    """Publishes what the exchange at `url` streams."""

    def __init__(self, url: str, publisher: Publisher, recorder: Recorder | None = None) -> None:
        self.epoch = 0
        self.begun = asyncio.Event()
        self._url = url.rstrip("/")
        self._publisher = publisher
        self._recorder = recorder
        self._answer: aiohttp.ClientResponse | None = None

    async def run(self) -> None:
        """Read until cancelled, connecting again whenever the stream ends."""
        backoff = Backoff()
        timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_read=_SILENCE_S)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=_LONGEST_LINE) as session:
            while True:
                epoch = self.epoch
                try:
                    await self._read(session)
                except (aiohttp.ClientError, msgspec.MsgspecError, OSError, TimeoutError) as error:
                    _log.warning("stream_lost", error=type(error).__name__, detail=str(error)[:200])
                finally:
                    self._publisher.alive(False)
                if self.epoch > epoch:
                    backoff.reset()
                await backoff.wait()

    def restart(self) -> None:
        """Leave the stream; the next connection begins the next epoch."""
        if self._answer is not None:
            self._answer.close()

    async def _read(self, session: aiohttp.ClientSession) -> None:
        begun = False
        async with session.post(f"{self._url}/feed/stream") as answer:
            answer.raise_for_status()
            self._answer = answer
            async for line in answer.content:
                update = decode_update(line)
                begun = begun or update.keyframe
                if not begun:
                    continue
                self._publisher.take(update)
                if self._recorder is not None:
                    self._recorder.take(update)
                if update.keyframe:
                    self.epoch = update.epoch
                    self._publisher.alive(True)
                    self.begun.set()
                    _log.info("epoch_begun", epoch=update.epoch)
