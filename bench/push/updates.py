"""How long an execution takes from the exchange to its user's client, in a whole broker on one clock."""

import asyncio
import time
from datetime import datetime
from pathlib import Path

import httpx
import orjson

from bench.brokers import demo_of
from bench.push.hub import Opened, opened
from sandbox.harness import Sandbox, SandboxOptions

_TRADERS = 8
_PAUSE_S = 0.1
_ORDERS_A_TRADER = 50
"""Below the limit of a minute."""
_LAST_S = 2.0
_ORDER = {
    "instrument_id": "NSE:INFY",
    "side": "BUY",
    "order_type": "MARKET",
    "product": "CNC",
    "quantity": 1,
}


def measure(folder: Path, seconds: float) -> list[float]:
    """Milliseconds from `executed_at` until the user's client has the trade."""
    demo = folder / "demo.json"
    demo.write_bytes(orjson.dumps(demo_of(_TRADERS)))
    with Sandbox.start(folder / "data", SandboxOptions(demo=demo, groups="default")) as sandbox:
        tokens = [sandbox.token(f"trader-{number}") for number in range(_TRADERS)]
        return asyncio.run(_measure(f"{sandbox.base_url}/api", tokens, seconds))


async def _measure(api: str, tokens: list[str], seconds: float) -> list[float]:
    waits: list[float] = []

    async def listen(hub: Opened) -> None:
        async for data in hub.socket:
            now = time.time()
            for record in str(data).split("\x1e"):
                message = orjson.loads(record) if record else {}
                changes = message["arguments"][0] if message.get("target") == "changes" else ()
                trades = [change["payload"] for change in changes if change["kind"] == "trade"]
                waits.extend((now - datetime.fromisoformat(each["executed_at"]).timestamp()) * 1000 for each in trades)

    async with httpx.AsyncClient(base_url=api, timeout=30) as http:
        headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
        answers = [await http.post("/negotiate", params={"hub": "user"}, headers=each) for each in headers]
        hubs = [await opened(each.json()["url"], each.json()["accessToken"]) for each in answers]
        listening = [asyncio.create_task(listen(hub)) for hub in hubs]
        orders = min(int(seconds / _PAUSE_S), _TRADERS * _ORDERS_A_TRADER)
        for number in range(orders):
            (await http.post("/orders", json=_ORDER, headers=headers[number % _TRADERS])).raise_for_status()
            await asyncio.sleep(_PAUSE_S)
        await asyncio.sleep(_LAST_S)
        for hub in hubs:
            await hub.socket.close()
        await asyncio.gather(*listening)
    return waits
