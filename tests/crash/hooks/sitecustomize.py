"""Kills a process at a named step: Python runs this at start-up of every process that has it on its PYTHONPATH.

The shipped code knows nothing of it. When a module of `POINTS` is imported, the named coroutine functions are
wrapped: once the file <CRASH_POINTS>/<point> exists, the first process to pass there renames it to `.fired` and
sends SIGKILL to the process id in it, to itself for `self`.
"""

import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

POINTS = {
    "take-before-start": ("shared.adapters.durable.order_sagas", "DurableOrderSagas.start", "before"),
    "intake-commit-before-answer": ("shared.application.orders.intake", "Intake._take", "after"),
    "reserved-before-completion": ("shared.application.orders.saga", "OrderSaga.reserve_funds", "after"),
    "submitted-before-send": ("shared.adapters.service_bus.exchange", "ServiceBusExchange.send", "before"),
    "sent-before-mark": ("shared.adapters.service_bus.exchange", "ServiceBusExchange.send", "after"),
    "submitted-before-completion": ("shared.application.orders.saga", "OrderSaga.submit_to_exchange", "after"),
    "journaled-before-complete": ("simulators.exchange.store", "Store.journal", "after"),
    "archived-before-send": ("simulators.exchange.outbox", "Outbox._send", "before"),
    "reported-before-mark": ("simulators.exchange.outbox", "Outbox._send", "after"),
    "booked-before-complete": ("shared.application.orders.execution_reports", "ExecutionReports.book", "after"),
    "answered-before-signal": ("shared.adapters.durable.order_sagas", "DurableOrderSagas.answered", "before"),
    "signaled-before-mark": ("shared.adapters.durable.order_sagas", "DurableOrderSagas.answered", "after"),
    "confirm-before-commit": ("shared.adapters.postgres.order_sagas", "PostgresSagaRecords.confirm", "before"),
    "confirmed-before-dispatch": ("shared.adapters.postgres.order_sagas", "PostgresSagaRecords.confirm", "after"),
    "confirmed-before-completion": ("shared.application.orders.saga", "OrderSaga.confirm", "after"),
    "turn-before-commit": ("emulators.durable.store", "Store.commit", "before"),
    "turn-committed": ("emulators.durable.store", "Store.commit", "after"),
    "message-before-commit": ("emulators.messaging.store", "Store._commit", "before"),
    "message-committed-before-answer": ("emulators.messaging.store", "Store._commit", "after"),
}


class _Instrumenting(MetaPathFinder):
    """Finds the named modules as Python would, and wraps their functions once they have run."""

    def __init__(self, points: Path) -> None:
        self._points = points

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        wanted = [(point, name, when) for point, (module, name, when) in POINTS.items() if module == fullname]
        spec = PathFinder.find_spec(fullname, path, target) if wanted else None
        if spec is not None and spec.loader is not None:
            self._wrap_after(spec.loader, wanted)
        return spec

    def _wrap_after(self, loader: Loader, wanted: Sequence[tuple[str, str, str]]) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            for point, name, when in wanted:
                owner_name, _, method = name.partition(".")
                owner = getattr(module, owner_name)
                setattr(owner, method, _killing(getattr(owner, method), self._points / point, when))

        vars(loader)["exec_module"] = exec_module


def _killing(step: Callable[..., Awaitable[Any]], point: Path, when: str) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(step)
    async def instrumented(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            _kill_if_armed(point)
        result = await step(*arguments, **named)
        if when == "after":
            _kill_if_armed(point)
        return result

    return instrumented


def _kill_if_armed(point: Path) -> None:
    fired = point.with_suffix(".fired")
    try:
        point.rename(fired)
    except FileNotFoundError:
        return
    victim = fired.read_text()
    os.kill(os.getpid() if victim == "self" else int(victim), signal.SIGKILL)


if "CRASH_POINTS" in os.environ:
    sys.meta_path.insert(0, _Instrumenting(Path(os.environ["CRASH_POINTS"])))
