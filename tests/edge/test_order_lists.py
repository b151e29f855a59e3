"""The list endpoint: what it makes of the use case's answer, and which lists it refuses."""

from typing import Any

import pytest

from functions.orders import place_order_list
from shared.application.orders.place import Placed, PlacedList
from shared.domain.errors import RateLimitedError
from shared.ports.rate_limits import RateLimit
from tests.edge.support import ALICE, PLACE, App, call


async def test_answer_carries_stored_bodies_and_waits(app: App) -> None:
    limited = RateLimitedError("used up", retry_after_s=9, details={"limit": 60, "window_s": 60})
    app.orders.list_answer = PlacedList(
        [Placed(202, '{"order_id": "x",  "status": "PENDING_NEW"}', ALICE, replayed=False), limited],
        [RateLimit(60, 0, 9)],
    )
    answer = await call(place_order_list, body={"orders": [PLACE, PLACE]}, headers={"idempotency-key": "k"})
    assert (answer.status, answer.headers["Retry-After"], answer.headers["RateLimit-Remaining"]) == (207, "9", "0")
    assert b'{"order_id": "x",  "status": "PENDING_NEW"}' in answer.body
    assert [item["status"] for item in answer.json["items"]] == [202, 429]
    assert answer.json["items"][1]["body"]["error_code"] == "RATE_LIMITED"
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"orders": []}, "orders"),
        ({"orders": [PLACE] * 26}, "orders"),
        ({"orders": [PLACE, PLACE | {"price": "1e3"}]}, "orders.1.price"),
        ({"orders": PLACE}, "orders"),
    ],
)
async def test_malformed_list_names_its_field(app: App, body: dict[str, Any], field: str) -> None:
    answer = await call(place_order_list, body=body)
    assert (answer.status, answer.json["details"]["field"]) == (400, field)
    assert not app.orders.calls
