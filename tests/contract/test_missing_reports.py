"""`LanePositions`: how far each lane has been compared, and whose reports are missing."""

from uuid import uuid4

from shared.domain.orders.order import OrderKey, changed
from shared.ports.missing_reports import IssuedReports
from tests.contract.conftest import Store
from tests.support.values import refused


async def test_positions_only_move_on(store: Store) -> None:
    assert await store.lanes.positions() == {}
    await store.lanes.move({"07": 5, "08": 1})
    await store.lanes.move({"07": 4, "08": 2, "09": 0})
    assert await store.lanes.positions() == {"07": 5, "08": 2, "09": 0}


async def test_orders_at_the_venue_are_behind_its_newest_number(store: Store) -> None:
    user_id = await store.open()
    keys = [await store.place(user_id) for _ in range(3)]
    await store.send(await store.take_waiting(), *keys[:2])
    await store.submit(keys[2], refused())
    for key in keys:
        await store.rewrite(key, lambda order: changed(order, venue_sequence=2))
    stranger = OrderKey(uuid4(), keys[0].order_id)
    issued = [IssuedReports(key, 3) for key in (keys[0], keys[2], stranger)] + [IssuedReports(keys[1], 2)]
    assert await store.lanes.behind(issued) == [IssuedReports(keys[0], 3)]
    assert await store.lanes.behind([]) == []
