"""The first thing a newcomer sees: one real order through the public HTTP API, shown stage by stage."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sandbox.errors import RefusedError, SandboxError
from sandbox.running import Running

type Json = dict[str, Any]
type Say = Callable[[str], None]

_TIMEOUT_S = 15
_PATIENCE_S = 10.0
_POLL_S = 0.2
_WARM_UPS = 3
_ORDER: Json = {
    "instrument_id": "NSE:INFY",
    "side": "BUY",
    "order_type": "MARKET",
    "product": "CNC",
    "quantity": 10,
    "tag": "first order",
}
_STAGES = {
    "funds_held": "funds held",
    "at_exchange": "sent to the exchange",
    "acknowledged": "acknowledged by the exchange",
    "filled": "first fill booked",
    "ended": "order complete",
}


@dataclass(frozen=True)
class Caller:
    """A user's HTTP client. Raises SandboxError for anything that is not a success."""

    base_url: str
    token: str

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Json:
        """The JSON answer."""
        request = urllib.request.Request(  # noqa: S310 - always our own loopback address
            f"{self.base_url}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                answer: Json = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            message = f"{method} {path} was answered {error.code}: {_message(error)}"
            raise RefusedError(message, error.code) from error
        except OSError as error:
            raise SandboxError(
                f"{method} {path} was not answered ({error}): see the logs in the data folder."
            ) from error


def place_first_order(running: Running, say: Say) -> None:
    """Buy ten shares as alice and print what happened. Raises SandboxError when the order did not go through."""
    alice = Caller(running.base_url, running.token("alice"))
    for number in range(1, _WARM_UPS + 1):
        # The first orders after a start open connections and load code; their times would be typical of nothing.
        _place(alice, _ORDER | {"quantity": 1, "tag": f"warm-up {number}"}, wait_s=5)
    say(f"\nOne order, after {_WARM_UPS} small ones to warm up: alice buys 10 NSE:INFY at the market")
    accepted, took_ms = _place(alice)
    say(f"  {took_ms:8.1f} ms  202 accepted, order {accepted['order_id']}")
    history = _until_ended(alice, accepted["order_id"])
    for line in _stages(history):
        say(line)
    order = history["order"]
    say(
        f"  {order['status']}: {order['filled_quantity']} of {order['quantity']} "
        f"at an average of {order['average_price']} INR"
    )
    for line in _ledger(Caller(running.base_url, running.token("olga")), accepted["order_id"]):
        say(line)


def _place(alice: Caller, order: Json = _ORDER, *, wait_s: int = 0) -> tuple[Json, float]:
    """The answer to the order, and the milliseconds that it took."""
    headers = {"Idempotency-Key": f"first-order-{uuid4()}", "Prefer": f"wait={wait_s}"}
    started = time.perf_counter()
    accepted = alice.call("POST", "/orders", order, headers)
    return accepted, (time.perf_counter() - started) * 1000


def _until_ended(alice: Caller, order_id: str) -> Json:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        history = alice.call("GET", f"/orders/{order_id}/history")
        ended = history["order"]["status"] in {"FILLED", "CANCELED", "REJECTED", "EXPIRED"}
        if ended or time.monotonic() > deadline:
            return history
        time.sleep(_POLL_S)


def _stages(history: Json) -> Iterator[str]:
    for stage in history["stages"]:
        yield f"  {float(stage['ms']):8.1f} ms  {_STAGES[stage['stage']]}"


def _ledger(olga: Caller, order_id: str) -> Iterator[str]:
    """The hold and the ledger lines of the order, as operations see them."""
    for member in _members(olga, order_id):
        for hold in member["holds"]:
            yield (
                f"  of {hold['amount']} {hold['asset']} held, {hold['captured']} was captured "
                f"and {hold['released']} released; the ledger lines it caused:"
            )
        for line in member["transfers"]:
            flow = f"{line['debit_account']:>24} -> {line['credit_account']:<24}"
            yield f"    {flow} {line['amount']:>12} {line['asset']:<12} {line['reason']}"


def _members(olga: Caller, order_id: str) -> Iterator[Json]:
    sagas: Sequence[Json] = olga.call("GET", f"/operations/sagas?order_id={order_id}")["items"]
    for saga in sagas:
        detail = olga.call("GET", f"/operations/sagas/{saga['saga_id']}")
        yield from (member for member in detail["members"] if member["order_id"] == order_id)


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError):
        return str(error.reason)
