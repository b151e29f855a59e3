"""`python -m bench.recovery`: P13, from a start to the first filled order, and from kill -9 to work.

Warm start: the data folder and compiled modules are there, nothing runs. The clock starts with the command and ends
with the fill of an order that a client tries to place from the beginning. After kill -9 of supervisor, PostgreSQL,
emulators, exchange and host at one moment, with orders under way, the same command follows at once; the first 202
is the first commit. The host's `http` and `rest` are also killed alone, and the host starts them again; all three are
killed once more while a hundred orders a second come from other customers. Absolute times: there is no reference.
Nothing that was answered with 202 may be lost.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import orjson
import typer

from bench.brokers import BenchmarkError, broker, check_invariants, drain, prices, tokens
from bench.client import Plan, drive
from bench.report import Effort, Quick, Rounds, Seconds, middle, result, say
from sandbox.harness import Sandbox
from sandbox.ports import free_port

_USERS = 1_008
_LOAD_PER_S, _LOAD_CONNECTIONS = 100.0, 32
_LOAD_BEFORE_S, _LOAD_AFTER_S = 2.0, 8.0
_PATIENCE_S = 60.0
_RETRY_S = 0.01
_TARGET_S = 3.0
_GROUPS = ("http", "rest")


@dataclass(frozen=True, slots=True)
class Comeback:
    """Seconds from the command: the first 202, its order's fill, and everything up."""

    commit_s: float
    fill_s: float
    serving_s: float


def main(rounds: Rounds = 5, seconds: Seconds = 3.0, *, quick: Quick = False) -> None:
    """Measure, check the invariants, print one JSON line; `seconds` of orders come before each kill."""
    effort = Effort.of(rounds, seconds, quick=quick)
    with broker(_USERS, port=free_port()) as sandbox, TemporaryDirectory(prefix="bench-") as folder:
        customers = Customers(sandbox, Path(folder) / "journal")
        warm = [_warm_start(sandbox, customers) for _ in range(effort.rounds)]
        kills: dict[str, Callable[[], Comeback]] = {
            group: partial(_killed_group, sandbox, customers, group) for group in _GROUPS
        }
        kills["everything"] = partial(_killed, sandbox, customers, effort.seconds)
        alone = {name: [kill() for _ in range(effort.rounds)] for name, kill in kills.items()}
        drain(sandbox)
        loaded: dict[str, list[Comeback]] = {name: [] for name in kills}
        for name, kill in kills.items():
            for number in range(effort.rounds):
                with _load(sandbox, Path(folder), f"{name}-{number}"):
                    loaded[name].append(kill())
                drain(sandbox)
        check_invariants(sandbox, customers.journal, at_rest=True)
    figures = {"rounds": effort.rounds, "warm_start": _figures(warm)}
    figures |= {f"kill_{name}": _figures(comebacks) for name, comebacks in alone.items()}
    figures |= {f"kill_{name}_under_load": _figures(comebacks) for name, comebacks in loaded.items()}
    result("recovery", figures | {"target_s": _TARGET_S, "accepted": customers.accepted})


@contextmanager
def _load(sandbox: Sandbox, folder: Path, run_id: str) -> Iterator[None]:
    """Other customers' orders, whose connections are made again when they break."""
    tokens_file = folder / "tokens"
    if not tokens_file.exists():
        tokens_file.write_bytes(orjson.dumps(tokens(sandbox)))
    plan = Plan(
        url=f"{sandbox.base_url}/api/orders",
        tokens_file=str(tokens_file),
        run_id=run_id,
        seconds=_LOAD_BEFORE_S + _LOAD_AFTER_S,
        connections=_LOAD_CONNECTIONS,
        rate=_LOAD_PER_S,
        prices=prices(),
        reconnects=True,
    )
    with ThreadPoolExecutor(1, "load") as pool:
        load = pool.submit(drive, plan)
        time.sleep(_LOAD_BEFORE_S)
        yield
        say(f"load meanwhile: {load.result().statuses}")


class Customers:
    """Places orders one after the other; every 202 is in the journal before the next order is sent."""

    def __init__(self, sandbox: Sandbox, journal: Path) -> None:
        self.journal = journal
        self.accepted = 0
        self._users = tokens(sandbox)
        self._client = httpx.Client(base_url=f"{sandbox.base_url}/api", timeout=_PATIENCE_S)
        self._place = 0

    def place(self) -> tuple[str, dict[str, str]]:
        """Place the next order under one key until it is accepted; its id and its user's headers."""
        place, self._place = self._place, self._place + 1
        user_id, token = self._users[place % len(self._users)]
        key = f"recovery-{place}"
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        instrument, buy, sell = prices()[place // 2 % len(prices())]
        side, price = ("BUY", buy) if place % 2 else ("SELL", sell)
        body = {"instrument_id": instrument, "side": side, "order_type": "LIMIT", "product": "CNC", "quantity": 1}
        order_id = self._until_accepted(body | {"price": price, "client_order_id": key}, headers)
        entry = {"order_id": order_id, "user_id": user_id, "client_order_id": key, "idempotency_key": key}
        with self.journal.open("ab") as journal:
            journal.write(orjson.dumps(entry) + b"\n")
        self.accepted += 1
        return order_id, headers

    def _until_accepted(self, body: dict[str, Any], headers: dict[str, str]) -> str:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            try:
                answer = self._client.post("/orders", json=body, headers=headers)
            except httpx.TransportError:
                time.sleep(_RETRY_S)
                continue
            if answer.status_code == httpx.codes.ACCEPTED:
                return str(answer.json()["order_id"])
            if answer.status_code not in {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS}:
                raise BenchmarkError(f"an order was answered {answer.status_code}: {answer.text}")
            time.sleep(_RETRY_S)
        raise BenchmarkError(f"no order was accepted within {_PATIENCE_S:.0f} s")

    def wait_for_fill(self, order_id: str, headers: dict[str, str]) -> None:
        """Return once the order is filled."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            answer = self._client.get(f"/orders/{order_id}", headers=headers)
            if answer.status_code == httpx.codes.OK and answer.json()["status"] == "FILLED":
                return
            # Reads are counted against the user's limit, 300 a minute.
            time.sleep(0.05)
        raise BenchmarkError(f"order {order_id} was not filled within {_PATIENCE_S:.0f} s")


def _warm_start(sandbox: Sandbox, customers: Customers) -> Comeback:
    sandbox.stop()
    comeback = _come_back(customers, sandbox.launch)
    say(f"warm start: {comeback}")
    return comeback


def _killed_group(sandbox: Sandbox, customers: Customers, group: str) -> Comeback:
    customers.wait_for_fill(*customers.place())  # nothing is left of the last time
    os.kill(sandbox.host_group(group), signal.SIGKILL)
    comeback = _come_back(customers, lambda: None)
    say(f"kill -9 of {group}: {comeback}")
    return comeback


def _killed(sandbox: Sandbox, customers: Customers, seconds: float) -> Comeback:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        customers.place()
    sandbox.kill_everything()
    comeback = _come_back(customers, sandbox.launch)
    say(f"kill -9 of everything: {comeback}")
    return comeback


def _come_back(customers: Customers, launch: Callable[[], None]) -> Comeback:
    """Start what is down while a customer tries to trade."""
    started = time.monotonic()
    seen: list[float] = []

    def trade() -> None:
        order = customers.place()
        seen.append(time.monotonic() - started)
        customers.wait_for_fill(*order)
        seen.append(time.monotonic() - started)

    customer = threading.Thread(target=trade, name="customer")
    customer.start()
    # On this thread: the sandbox ends with the one that started it.
    launch()
    serving_s = time.monotonic() - started
    customer.join()
    if len(seen) != 2:
        raise BenchmarkError("the customer could not trade: see above")
    return Comeback(round(seen[0], 2), round(seen[1], 2), round(serving_s, 2))


def _figures(comebacks: list[Comeback]) -> dict[str, Any]:
    """Medians, and the worst first commit and fill."""
    return {
        "first_commit_s": middle((each.commit_s for each in comebacks), 2),
        "first_fill_s": middle((each.fill_s for each in comebacks), 2),
        "everything_up_s": middle((each.serving_s for each in comebacks), 2),
        "worst_fill_s": max(each.fill_s for each in comebacks),
    }


if __name__ == "__main__":
    typer.run(main)
