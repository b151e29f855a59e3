"""Market makers: a price that moves inside its band, and liquidity that is there at once."""

from datetime import date

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange.instruments import read_instruments
from simulators.exchange.makers import MarketMakers
from tests.exchange.support import INSTRUMENTS, new, of, running, types
from tests.support.waiting import eventually

DAY = date(2026, 11, 23)


def walk(seed: int, steps: int) -> list[dict[str, int]]:
    makers = MarketMakers(read_instruments(INSTRUMENTS), seed, interval_s=1)
    path = []
    for step in range(steps):
        assert makers.advance(float(step), DAY)
        path.append(dict(makers.references))
    return path


def test_same_seed_walks_the_same_path() -> None:
    assert walk(5, 50) == walk(5, 50)
    assert walk(5, 50) != walk(6, 50)


def test_no_step_before_the_interval_is_over() -> None:
    makers = MarketMakers(read_instruments(INSTRUMENTS), 1, interval_s=1)
    assert [makers.advance(now, DAY) for now in (10.0, 10.9, 11.0)] == [True, False, True]


@given(st.integers(), st.integers(1, 300))
def test_ladders_never_cross_and_stay_in_band(seed: int, steps: int) -> None:
    master = read_instruments(INSTRUMENTS)
    makers = MarketMakers(master, seed, interval_s=1)
    for step in range(steps):
        makers.advance(float(step), DAY)
    for instrument in master.listed(DAY):
        quotes = makers.ladder(instrument)
        low, high = instrument.band
        prices = [price for price, _ in (*reversed(quotes.bids), *quotes.asks)]
        assert prices == sorted(set(prices))
        assert prices[0] >= low
        assert prices[-1] <= high
        assert quotes.bids[0][0] < quotes.reference < quotes.asks[0][0]
        assert all(instrument.refuse(price, quantity) is None for price, quantity in (*quotes.bids, *quotes.asks))


async def test_marketable_order_fills_at_once(database: str) -> None:
    async with running(database, makers=True) as venue:
        for side, price in (("BUY", "1700.00"), ("SELL", "1300.00")):
            reports = await venue.ask(new(side=side, price=price, quantity=100_000))
            assert types(reports) == ["NEW", "TRADE"]
            assert reports[-1]["order_status"] == "FILLED"


async def test_resting_order_fills_when_the_price_comes(database: str) -> None:
    async with running(database, makers=True) as venue:
        order = new(price="1499.80")
        await venue.ask(order)
        await eventually(lambda: any(r["order_status"] == "FILLED" for r in of(venue.bus.reports, order)), 30)


async def test_idle_makers_write_nothing(database: str) -> None:
    async with running(database, makers=True) as venue:
        makers = venue.gateway.market.makers
        assert makers is not None
        start = makers._step
        await eventually(lambda: makers._step > start + 3)
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM journal").fetchone() == (0,)


async def test_two_clients_meet_inside_the_makers_spread(database: str) -> None:
    async with running(database, makers=True) as venue:
        book = (await venue.admin.get("/books/NSE:TCS")).json()
        price = book["reference_price"]
        buy = new(instrument_id="NSE:TCS", price=price)
        sell = new(instrument_id="NSE:TCS", price=price, side="SELL")
        reports = await venue.ask(buy, sell)
        trades = [r for r in reports if r["exec_type"] == "TRADE"]
        assert len({r["match_id"] for r in trades}) == 1
        assert [r["last_price"] for r in trades] == [price, price]


async def test_restart_without_makers_takes_their_quotes_out(database: str) -> None:
    async with running(database, makers=True) as venue:
        await venue.ask(new(price="1400.00"))
        assert (await venue.admin.get("/books/NSE:INFY")).json()["asks"]
    async with running(database) as venue:
        assert types(await venue.ask(new(price="1700.00"))) == ["NEW"]


async def test_walk_goes_on_from_last_reference_after_restart(database: str) -> None:
    async with running(database, makers=True) as venue:
        await venue.ask(new(price="1400.00"))
        makers = venue.gateway.market.makers
        assert makers is not None
        makers.references["NSE:INFY"] = 155_000
        await venue.ask(new(price="1400.00"))
        await eventually(lambda: venue.gateway.venue.references["NSE:INFY"] > 154_000)
    async with running(database, makers=True) as venue:
        assert venue.gateway.market.makers is not None
        assert venue.gateway.market.makers.references["NSE:INFY"] > 154_000
