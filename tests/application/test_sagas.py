"""Sagas as staff see them."""

from decimal import Decimal
from uuid import uuid4

import pytest

from shared.adapters.postgres.sagas import PostgresSagas
from shared.application.sagas import Sagas
from shared.domain.errors import NotFoundError
from shared.domain.sagas import SagaState
from tests.support.busy import BusyBroker


def _sagas(busy: BusyBroker) -> Sagas:
    return Sagas(PostgresSagas(busy.database))


async def test_sagas_are_listed_newest_first(busy: BusyBroker) -> None:
    sagas = _sagas(busy)
    first, end = await sagas.page(None, None, None, 2)
    rest, last = await sagas.page(None, None, end, 2)
    ids = [saga.saga_id for saga in [*first, *rest]]
    assert ids == sorted(map(str, busy.world.sagas.values()), reverse=True)
    assert last is None


async def test_saga_filters_separate_flying_stuck_and_finished(busy: BusyBroker) -> None:
    sagas, ids = _sagas(busy), busy.world.sagas
    flying, _ = await sagas.page(SagaState.IN_FLIGHT, None, None, 50)
    assert [saga.saga_id for saga in flying] == [str(ids["running"])]
    busy.execute("UPDATE sagas SET deadline = now() - interval '1 s'")
    stuck, _ = await sagas.page(SagaState.STUCK, None, None, 50)
    assert [(saga.saga_id, saga.state) for saga in stuck] == [(str(ids["running"]), "STUCK")]
    finished, _ = await sagas.page(SagaState.FINISHED, None, None, 50)
    assert {saga.saga_id for saga in finished} == {str(ids["main"]), str(ids["failing"])}
    of_order, _ = await sagas.page(None, busy.world.id("compensated"), None, 50)
    assert [saga.saga_id for saga in of_order] == [str(ids["failing"])]


async def test_saga_shows_compensation_with_its_money(busy: BusyBroker) -> None:
    saga = await _sagas(busy).get(busy.world.sagas["failing"])
    member = next(each for each in saga.members if each.order_id == str(busy.world.id("compensated")))
    assert [(step.step, step.outcome) for step in member.steps] == [
        ("reserve_funds", "HELD"),
        ("release_funds", "COMPENSATED"),
    ]
    (hold,) = member.holds
    assert (hold.open, hold.released) == ("0.00", hold.amount)
    assert member.transfers == []


async def test_saga_shows_the_ledger_lines_of_fills(busy: BusyBroker) -> None:
    saga = await _sagas(busy).get(busy.world.sagas["main"])
    member = next(each for each in saga.members if each.order_id == str(busy.world.id("filled")))
    paid = [line for line in member.transfers if line.debit_account == "client.cash"]
    (hold,) = member.holds
    assert sum(Decimal(line.amount) for line in paid) == Decimal(hold.captured)
    assert {line.amount for line in member.transfers if line.asset == "INE009A01021"} == {"4", "6"}


async def test_unknown_saga_is_not_found(busy: BusyBroker) -> None:
    with pytest.raises(NotFoundError):
        await _sagas(busy).get(uuid4())
