"""Trades, money and instruments as their owner reads them."""

from datetime import date
from decimal import Decimal

import psycopg
import pytest

from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.postgres.reads import PostgresReads
from shared.adapters.reference_data import load_reference_data
from shared.application.funds import Funds
from shared.application.instruments import Instruments, ReferencePrices
from shared.application.trades import Trades
from shared.contracts.funds import StatementLineView
from shared.contracts.trades import TradeView
from shared.domain.errors import NotFoundError
from shared.domain.ledger.accounts import Account
from shared.ports.trades import TradeFilter
from tests.reads.conftest import Broker
from tests.verify.world import ALICE, BOB, DAY

_ALL = TradeFilter()


def _trades(broker: Broker) -> Trades:
    return Trades(PostgresReads(broker.database))


def _funds(broker: Broker) -> Funds:
    return Funds(PostgresReads(broker.database))


async def _statement(broker: Broker, page: int) -> list[StatementLineView]:
    lines: list[StatementLineView] = []
    found, position = await _funds(broker).statement(ALICE, Account.CASH, None, page)
    lines.extend(found)
    while position is not None:
        found, position = await _funds(broker).statement(ALICE, Account.CASH, position, page)
        lines.extend(found)
    return lines


async def test_trades_are_what_clients_were_told(broker: Broker) -> None:
    trades, position = await _trades(broker).page(ALICE, _ALL, None, 50)
    with psycopg.connect(broker.dsn) as connection:
        told = connection.execute(
            "SELECT payload FROM effects WHERE user_id = %s AND kind = 'trade' ORDER BY sequence DESC", (ALICE,)
        ).fetchall()
    assert [trade.model_dump() for trade in trades] == [payload for (payload,) in told]
    assert position is None


async def test_pages_of_one_give_every_trade_once(broker: Broker) -> None:
    # The same instant for all, so that only the tie-breakers order them.
    broker.execute("UPDATE trades SET executed_at = '2026-11-20T05:00:00Z', user_id = order_id")
    broker.execute(f"UPDATE trades SET user_id = '{ALICE}'")
    seen: list[TradeView] = []
    found, position = await _trades(broker).page(ALICE, _ALL, None, 1)
    seen.extend(found)
    while position is not None:
        found, position = await _trades(broker).page(ALICE, _ALL, position, 1)
        seen.extend(found)
    assert len({trade.trade_id for trade in seen}) == len(seen) == 4


async def test_filters_restrict_instrument_and_dates(broker: Broker) -> None:
    day = date.fromisoformat(DAY)
    cases = {
        TradeFilter(instrument_id="NSE:SBIN"): 1,
        TradeFilter(instrument_id="NSE:TCS"): 0,
        TradeFilter(from_date=day, to_date=day): 2,
        TradeFilter(from_date=date(2026, 11, 21)): 0,
        TradeFilter(to_date=date(2026, 11, 19)): 0,
    }
    for wanted, count in cases.items():
        assert len((await _trades(broker).page(BOB, wanted, None, 50))[0]) == count


async def test_funds_add_up_to_the_ledger(broker: Broker) -> None:
    funds = await _funds(broker).get(ALICE)
    cash, holds = Decimal(funds.available.cash), Decimal(funds.utilised.holds)
    assert Decimal(funds.available.live_balance) == cash - holds
    assert holds == sum(Decimal(hold.open) for hold in funds.utilised.by_order)
    assert {hold.order_id for hold in funds.utilised.by_order} == {
        str(broker.world.id("working")),
        str(broker.world.id("doubted")),
    }


async def test_opening_balance_undoes_the_days_movements(broker: Broker) -> None:
    funds = await _funds(broker).get(ALICE)
    # Everything, the opening deposit too, was booked today by our clock.
    assert funds.available.opening_balance == "0.00"
    assert funds.available.intraday_payin == "1000000.00"
    spent = Decimal(funds.utilised.delivery) + Decimal(funds.utilised.charges)
    assert Decimal(funds.available.cash) == Decimal("1000000.00") - spent
    broker.execute(
        "UPDATE transfers SET booked_at = booked_at - interval '2 days' WHERE debit_account LIKE 'external.%'"
    )
    funds = await _funds(broker).get(ALICE)
    assert (funds.available.opening_balance, funds.available.intraday_payin) == ("1000000.00", "0.00")


async def test_statement_balances_run_from_zero_to_now(broker: Broker) -> None:
    lines = await _statement(broker, 50)
    funds = await _funds(broker).get(ALICE)
    assert lines[0].balance == funds.available.cash
    balance = Decimal(0)
    for line in reversed(lines):
        balance += Decimal(line.amount)
        assert Decimal(line.balance) == balance


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_statement_pages_join_without_a_seam(broker: Broker, page: int) -> None:
    assert await _statement(broker, page) == await _statement(broker, 50)


def _instruments(broker: Broker) -> Instruments:
    data = load_reference_data()
    prices = ReferencePrices(data.instruments)
    return Instruments(data.instruments, prices, PostgresMarket(broker.database, data.calendars["continuous"]))


async def test_instruments_are_found_by_symbol_isin_and_name(broker: Broker) -> None:
    instruments = _instruments(broker)
    for words in ("infy", "INE009A", "infosys"):
        found, _ = await instruments.page(words, "", 50)
        assert [each.instrument_id for each in found] == ["NSE:INFY"]


async def test_instrument_pages_give_each_once(broker: Broker) -> None:
    instruments = _instruments(broker)
    everything, end = await instruments.page(None, "", 200)
    assert end is None
    paged, after = await instruments.page(None, "", 7)
    ids = [each.instrument_id for each in paged]
    while after is not None:
        paged, after = await instruments.page(None, after, 7)
        ids += [each.instrument_id for each in paged]
    assert ids == [each.instrument_id for each in everything]
    assert len(ids) >= 20


async def test_instrument_tells_every_limit_of_an_order(broker: Broker) -> None:
    infosys = await _instruments(broker).get("NSE:INFY")
    low, reference, high = map(Decimal, (infosys.price_band.low, infosys.reference_price, infosys.price_band.high))
    assert low < reference < high
    assert Decimal(infosys.tick_size) > 0
    assert infosys.freeze_quantity > infosys.lot_size
    with pytest.raises(NotFoundError):
        await _instruments(broker).get("NSE:NOTHING")
