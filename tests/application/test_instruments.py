"""Instruments as clients find and read them."""

from decimal import Decimal

import pytest

from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.reference import load_reference_data
from shared.application.instruments import Instruments
from shared.application.prices import ReferencePrices
from shared.domain.errors import NotFoundError
from tests.support.busy import BusyBroker


def _instruments(busy: BusyBroker) -> Instruments:
    data = load_reference_data()
    prices = ReferencePrices(data.instruments)
    return Instruments(data.instruments, prices, PostgresMarket(busy.database, data.markets["continuous"]))


async def test_instruments_are_found_by_symbol_isin_and_name(busy: BusyBroker) -> None:
    instruments = _instruments(busy)
    for words in ("infy", "INE009A", "infosys"):
        found, _ = await instruments.page(words, None, 50)
        assert [each.instrument_id for each in found] == ["NSE:INFY"]


async def test_better_matches_come_first_over_all_pages(busy: BusyBroker) -> None:
    instruments = _instruments(busy)
    found, after = await instruments.page("ta", None, 2)
    while after is not None:
        more, after = await instruments.page("ta", after, 2)
        found = [*found, *more]
    ids = [each.instrument_id for each in found]
    assert ids[0] == "NSE:TATASTEEL", "the only symbol that begins so"
    assert "NSE:TCS" in ids, "Tata Consultancy Services"
    assert ids == [each.instrument_id for each in (await instruments.page("ta", None, 200))[0]]
    assert len(set(ids)) == len(ids)


async def test_instrument_pages_give_each_once(busy: BusyBroker) -> None:
    instruments = _instruments(busy)
    everything, end = await instruments.page(None, None, 200)
    assert end is None
    paged, after = await instruments.page(None, None, 7)
    ids = [each.instrument_id for each in paged]
    while after is not None:
        paged, after = await instruments.page(None, after, 7)
        ids += [each.instrument_id for each in paged]
    assert ids == [each.instrument_id for each in everything]
    assert len(ids) >= 20


async def test_instrument_tells_every_limit_of_an_order(busy: BusyBroker) -> None:
    infosys = await _instruments(busy).get("NSE:INFY")
    low, reference, high = map(Decimal, (infosys.price_band.low, infosys.reference_price, infosys.price_band.high))
    assert low < reference < high
    assert Decimal(infosys.tick_size) > 0
    assert infosys.freeze_quantity > infosys.lot_size
    with pytest.raises(NotFoundError):
        await _instruments(busy).get("NSE:NOTHING")
