"""Health: the worst dependency decides, and a broker that takes no orders says when to ask again."""

import asyncio
from typing import Any, cast

import pytest

from functions.health import get_health
from shared.application import health as health_use_case
from shared.application.health import Dependency
from shared.contracts.health import HealthView
from tests.edge.support import App, call


class Health:
    """Answers what it is made with."""

    def __init__(self, status: str) -> None:
        self._status = status

    async def get(self) -> HealthView:
        return HealthView(status=cast(Any, self._status), dependencies=[])


@pytest.mark.parametrize(
    ("status", "code", "retry_after"), [("OK", 200, None), ("DEGRADED", 200, None), ("DOWN", 503, "1")]
)
async def test_a_broker_that_is_down_says_when_to_ask_again(
    app: App, status: str, code: int, retry_after: str | None
) -> None:
    app.health = Health(status)  # type: ignore[attr-defined]

    answer = await call(get_health, user=None)
    assert (answer.status, answer.headers.get("Retry-After"), answer.json["status"]) == (code, retry_after, status)


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


async def _up() -> None:
    return None


async def _broken() -> None:
    raise OSError("connection refused by 10.0.0.1")


@pytest.mark.parametrize(
    ("required", "optional", "status"),
    [(_up, _up, "OK"), (_up, _broken, "DEGRADED"), (_broken, _up, "DOWN"), (_never, _never, "DOWN")],
)
async def test_health_names_the_worst_dependency(required: Any, optional: Any, status: str) -> None:
    health = health_use_case.Health(
        [Dependency("ledger", required=True, probe=required), Dependency("cache", required=False, probe=optional)],
        bound_s=0.05,
    )
    found = await health.get()
    assert found.status == status
    assert "10.0.0.1" not in found.model_dump_json()
    assert all(each.ms < 1000 for each in found.dependencies)
