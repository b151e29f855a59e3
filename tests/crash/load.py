"""A small load client of its own thread: many traders, retries with the same key, a journal of every 202.

While parts are killed, only 202, 422, 429 and 503 are legal answers, and one key never gets two orders. A line of the
journal is on disk before the next order is sent.
"""

import asyncio
import itertools
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import httpx

from tests.e2e.world import Client, order_body
from tests.support.waiting import wait_until

_WORKERS = 6
_PACE_S = 0.2
_ACCEPTED, _REFUSED, _TOO_MANY, _AWAY = 202, 422, 429, 503
_INSTRUMENTS = ("NSE:INFY", "NSE:TCS", "NSE:ITC", "NSE:RELIANCE")


class Load:
    """Places and cancels orders until stopped; use it as a context manager."""

    def __init__(self, base_url: str, traders: Sequence[Client], journal: Path) -> None:
        self.journal = journal
        self.faults: list[str] = []
        self.answers: Counter[str] = Counter()
        self._base_url = base_url
        self._traders = itertools.cycle(traders)
        self._random = random.Random(20_261_123)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def accepted(self) -> int:
        """How many orders were answered with 202."""
        return self.answers["202"]

    def let_in(self, orders: int, when: str = "") -> None:
        """Wait until so many more orders were accepted."""
        wanted = self.accepted + orders
        wait_until(lambda: self.accepted >= wanted, 120, what=f"orders {when}", interval_s=0.1)

    async def _run(self) -> None:
        with self.journal.open("a", encoding="utf-8") as journal:
            async with httpx.AsyncClient(base_url=self._base_url, timeout=10) as http, asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(self._work(http, journal))

    async def _work(self, http: httpx.AsyncClient, journal: TextIO) -> None:
        while not self._stopping.is_set():
            trader, body = next(self._traders), self._body()
            order_id = await self._place(http, trader, body, journal)
            if order_id is not None and body.get("price") == _RESTING:
                await self._cancel(http, trader, order_id)
            await asyncio.sleep(_PACE_S)

    def _body(self) -> dict[str, Any]:
        """Mostly marketable both ways; some rest and are canceled, some cannot fill, some are refused."""
        named = {"client_order_id": uuid4().hex, "quantity": self._random.randint(1, 5)}
        side = self._random.choice(("BUY", "SELL"))
        kind = self._random.random()
        if kind < 0.7:
            market = {"order_type": "MARKET", "price": None, "instrument_id": self._random.choice(_INSTRUMENTS)}
            return order_body(side=side, **market, **named)
        if kind < 0.9:
            return order_body(price=_RESTING, **named)
        if kind < 0.97:
            return order_body(price="1400.00", time_in_force="IOC", **named)
        return order_body(price="1500.05", **named)

    async def _place(
        self, http: httpx.AsyncClient, trader: Client, body: dict[str, Any], journal: TextIO
    ) -> str | None:
        key, seen = uuid4().hex, set[str]()
        while True:
            answer = await self._call(http.post, "/api/orders", trader, {"Idempotency-Key": key}, json=body)
            if answer is not None and answer.status_code in {_ACCEPTED, _REFUSED}:
                break
            if self._stopping.is_set():
                return None
            await asyncio.sleep(_PACE_S)
        seen.add(answer.headers["Location"])
        if answer.status_code != _ACCEPTED:
            return None
        entry = {"status": _ACCEPTED, "order_id": answer.json()["order_id"], "user_id": trader.user_id}
        entry |= {"client_order_id": body["client_order_id"], "idempotency_key": key}
        journal.write(json.dumps(entry) + "\n")
        journal.flush()
        os.fsync(journal.fileno())
        return str(entry["order_id"])

    async def _cancel(self, http: httpx.AsyncClient, trader: Client, order_id: str) -> None:
        await self._call(http.delete, f"/api/orders/{order_id}", trader, {})

    async def _call(
        self, send: Any, path: str, trader: Client, headers: dict[str, str], **content: Any
    ) -> httpx.Response | None:
        try:
            answer: httpx.Response = await send(path, headers=trader.headers(headers), **content)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        legal = {_ACCEPTED, _REFUSED, _TOO_MANY, _AWAY} | ({404, 409} if path != "/api/orders" else set())
        if answer.status_code not in legal:
            self.faults.append(f"{answer.status_code} {answer.text[:300]}")
        return answer


_RESTING = "1380.00"
