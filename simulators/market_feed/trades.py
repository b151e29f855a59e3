"""Resends of a replay, from memory, as the exchange answers them (docs/reference/market-feed.md).

    GET  /feed/{instrument_id}/trades?epoch=&after=&limit=  trades of an epoch (the current one) after a sequence
    GET  /feed/{instrument_id}/minutes/{minute}             all trades of a minute

The newest million trades are kept; what would need older ones answers 410.
"""

from bisect import bisect_right
from collections import deque

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.exchange.parameters import whole_number
from simulators.market_feed.frames import MINUTE_US, Resend, Trade, Update

_MOST_KEPT = 1_000_000
_MAX_TRADES = 1_000
_MAX_OF_MINUTE = 10_000


class Trades:
    """What has been published of each instrument."""

    def __init__(self) -> None:
        self.epoch = 0
        self._sequences: dict[str, int] = {}
        self._kept: dict[str, deque[Trade]] = {}
        self._order: deque[str] = deque()
        self._forgotten: dict[str, Trade] = {}

    def take(self, update: Update) -> None:
        """Keep the trades of an update that is about to be published."""
        if update.keyframe:
            self.epoch = update.epoch
        for window in update.windows:
            self._sequences[window.instrument_id] = window.last_sequence
        for made in update.trades:
            kept = self._kept.setdefault(made.instrument_id, deque())
            kept.append(Trade(update.epoch, made.sequence, made.exchange_time, update.phase, made.price, made.quantity))
            self._order.append(made.instrument_id)
        while len(self._order) > _MOST_KEPT:
            name = self._order.popleft()
            self._forgotten[name] = self._kept[name].popleft()

    def routes(self) -> list[Route]:
        """What the admin API serves of it."""
        return [
            Route("/feed/{instrument_id}/trades", self.after),
            Route("/feed/{instrument_id}/minutes/{minute:int}", self.minute),
        ]

    async def after(self, request: Request) -> Response:
        """A page of an epoch's trades."""
        name, kept = self._named(request)
        epoch, after = whole_number(request, "epoch", self.epoch), whole_number(request, "after", 0)
        limit = max(1, min(whole_number(request, "limit", _MAX_TRADES), _MAX_TRADES))
        if epoch > self.epoch:
            raise HTTPException(404, f"the current epoch is {self.epoch}")
        forgotten = self._forgotten.get(name)
        if forgotten and (forgotten.epoch, forgotten.sequence) > (epoch, after):
            raise HTTPException(410, f"trades after {after} of epoch {epoch} are no longer kept")
        start = bisect_right(kept, (epoch, after), key=_mark)
        page = [trade for trade in kept[start : start + limit] if trade.epoch == epoch]
        return self._resend(name, page, limit)

    async def minute(self, request: Request) -> Response:
        """The trades of one minute."""
        name, kept = self._named(request)
        minute = int(request.path_params["minute"])
        cursor = whole_number(request, "epoch", 0), whole_number(request, "after", 0)
        if minute % MINUTE_US:
            raise HTTPException(400, "minute must be the start of a minute, in microseconds since 1970 UTC")
        forgotten = self._forgotten.get(name)
        if forgotten and forgotten.exchange_time >= minute:
            raise HTTPException(410, f"trades of minute {minute} are no longer kept")
        later = kept[bisect_right(kept, cursor, key=_mark) :]
        page = [trade for trade in later if minute <= trade.exchange_time < minute + MINUTE_US]
        return self._resend(name, page[:_MAX_OF_MINUTE], _MAX_OF_MINUTE)

    def _named(self, request: Request) -> tuple[str, list[Trade]]:
        name = str(request.path_params["instrument_id"])
        if name not in self._sequences:
            raise HTTPException(404, "the replay has no such instrument")
        return name, list(self._kept.get(name, ()))

    def _resend(self, name: str, page: list[Trade], limit: int) -> Response:
        last = page[-1] if len(page) == limit else None
        answer = Resend(
            page, self.epoch, self._sequences[name], last.sequence if last else None, last.epoch if last else None
        )
        return Response(msgspec.json.encode(answer), media_type="application/json")


def _mark(trade: Trade) -> tuple[int, int]:
    return trade.epoch, trade.sequence
