"""Health: a broker that takes no orders says when to ask again."""

from typing import Any, cast

import pytest

from functions.health import get_health
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
