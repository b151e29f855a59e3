"""`BookStore` with a product whose fills depend on positions: margin comes with a position and goes with it."""

from dataclasses import replace
from uuid import UUID

import pytest

from shared.domain.ledger.accounts import INR, Account, AssetKey, BalanceKey
from shared.domain.ledger.books import UnloadedError
from shared.domain.orders.events import Filled
from shared.domain.orders.order import OrderKey
from shared.domain.orders.terms import Product, Side
from shared.ports.books import Scope
from tests.contract.conftest import CASH, Store
from tests.support.intraday import MARGIN_PERCENT
from tests.support.values import PRICE, filled


async def working(store: Store, user_id: UUID, side: Side, product: Product = Product.MIS) -> OrderKey:
    key = await store.place(user_id, side=side, product=product)
    saga_id = await store.take_waiting()
    assert saga_id is not None
    await store.send(saga_id, key)
    return key


async def fill(store: Store, key: OrderKey, *quantities: int) -> None:
    """Executions in one unit of work, on the order's trade date."""
    order, done = await store.found(key), (await store.found(key)).filled_quantity
    events: list[tuple[OrderKey, Filled]] = []
    for quantity in quantities:
        done += quantity
        event = filled(quantity, exec_id=f"{key.order_id}/{done}", cum=done)
        events.append((key, replace(event, trade_date=order.trade_date)))
    await store.fill(*events)


async def held(store: Store, user_id: UUID) -> int:
    scope = Scope(assets=[AssetKey(user_id, INR)])
    balances, _ = await store.books.work(scope, lambda unit: unit.books.balances)
    return balances[BalanceKey(user_id, Account.CASH, INR)].held


def margin(quantity: int) -> int:
    return quantity * PRICE * MARGIN_PERCENT // 100


async def test_margin_stays_until_the_position_is_closed(store: Store) -> None:
    user_id = await store.open()
    bought = await working(store, user_id, Side.BUY)
    await fill(store, bought, 4, 6)
    assert await held(store, user_id) == margin(10)
    sold = await working(store, user_id, Side.SELL)
    await fill(store, sold, 3)
    of_orders = await held(store, user_id) - margin(7)
    await fill(store, sold, 3, 4)
    assert of_orders > 0
    assert await held(store, user_id) == 0


async def test_selling_more_than_is_there_opens_the_other_side(store: Store) -> None:
    user_id = await store.open()
    for side, quantities, net in ((Side.BUY, (10,), 10), (Side.SELL, (10,), 0), (Side.SELL, (6, 4), 10)):
        await fill(store, await working(store, user_id, side), *quantities)
        assert await held(store, user_id) == margin(net)


async def test_products_keep_their_positions_apart(store: Store) -> None:
    user_id = await store.open()
    await fill(store, await working(store, user_id, Side.SELL, Product.CNC), 10)
    await fill(store, await working(store, user_id, Side.BUY), 10)
    assert await held(store, user_id) == margin(10)


async def test_fill_of_another_day_has_no_position(store: Store) -> None:
    user_id = await store.open(cash=CASH)
    key = await working(store, user_id, Side.BUY)
    with pytest.raises(UnloadedError):
        await store.fill((key, replace(filled(4), trade_date="2020-01-01")))
    assert (await store.found(key)).filled_quantity == 0
