"""What the Durable adapter makes of refusals and silence: a call that is refused has still done its work if the id is
live, and a signal that nobody waits for any more is lost on purpose."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import pytest

from shared.adapters.durable import order_sagas
from shared.adapters.durable.order_sagas import DurableOrderSagas
from shared.domain.errors import UnavailableError
from shared.domain.orders.order import OrderKey

_STATUS = df.OrchestrationRuntimeStatus
_LIVE = (_STATUS.Running, _STATUS.Pending, _STATUS.Suspended)
_KEY, _SAGA = OrderKey(uuid4(), uuid4()), uuid4()
_CALLS = {
    "start": lambda sagas: sagas.start(_SAGA),
    "answered": lambda sagas: sagas.answered(_SAGA),
    "recover": lambda sagas: sagas.recover(_KEY),
}


@dataclass
class _Status:
    runtime_status: df.OrchestrationRuntimeStatus


@dataclass
class _Client:
    """A Durable client that refuses or is silent; `status` is None for an id that it does not know."""

    status: df.OrchestrationRuntimeStatus | None
    silent: bool = False
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def start_new(self, *arguments: Any) -> str:
        return await self._refuse(*arguments)

    async def raise_event(self, *arguments: Any) -> None:
        await self._refuse(*arguments)

    async def get_status(self, instance_id: str) -> Any:
        self.calls.append((instance_id,))
        return None if self.status is None else _Status(self.status)

    async def _refuse(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        if self.silent:
            await asyncio.Event().wait()
        raise RuntimeError("refused")


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("status", [None, *_STATUS])
@pytest.mark.parametrize("call", _CALLS)
async def test_refused_call_is_judged_by_the_live_status(
    call: str, status: df.OrchestrationRuntimeStatus | None, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_sagas, "_WAIT_S", 0.01)
    sagas = DurableOrderSagas(_Client(status, silent))
    # A start is done when the id is live; a signal is owed as long as it is.
    if (status in _LIVE) == (call == "answered"):
        with pytest.raises(UnavailableError):
            await _CALLS[call](sagas)
    else:
        await _CALLS[call](sagas)


@pytest.mark.parametrize(
    ("call", "made"),
    [
        ("start", ("order_saga", f"saga-{_SAGA}", {"saga_id": str(_SAGA)})),
        ("answered", (f"saga-{_SAGA}", "answered", True)),
        (
            "recover",
            (
                "order_recovery",
                f"recovery-{_KEY.order_id}",
                {"user_id": str(_KEY.user_id), "order_id": str(_KEY.order_id)},
            ),
        ),
    ],
)
async def test_calls_name_what_the_orchestrations_read(call: str, made: tuple[Any, ...]) -> None:
    client = _Client(_STATUS.Running if call != "answered" else _STATUS.Completed)
    await _CALLS[call](DurableOrderSagas(client))
    assert client.calls == [made, (made[0] if call == "answered" else made[1],)]
