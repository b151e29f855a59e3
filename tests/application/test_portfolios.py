"""Holdings, positions and their profit and loss."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import uuid5

import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.portfolios import PostgresPortfolios
from shared.adapters.reference import load_reference_data
from shared.application.portfolios import Portfolios
from shared.application.prices import ReferencePrices
from shared.domain.ledger.accounts import Account
from shared.domain.ledger.entries import Entry, EntrySource, Leg, LegReason
from shared.domain.orders.order import State
from shared.domain.orders.terms import Side
from shared.domain.positions import Turnover
from shared.domain.prices import PriceSource
from shared.ports.prices import Price
from tests.support.broker import Broker, fill
from tests.support.busy import BusyBroker
from tests.support.values import ALICE as OWNER
from tests.support.values import SPACE
from tests.verify.world import ALICE, BOB, DAY

_INSTRUMENTS = load_reference_data().instruments
_TCS = "INE467B01029"
_TRADED_TODAY = f"""
INSERT INTO market_clock (offset_us)
SELECT extract(epoch FROM timestamptz '{DAY} 12:00+05:30' - now())::bigint * 1000000
"""


def _portfolios(busy: BusyBroker) -> Portfolios:
    return Portfolios(PostgresPortfolios(busy.database), ReferencePrices(_INSTRUMENTS), _INSTRUMENTS)


async def test_bought_shares_show_as_unsettled(busy: BusyBroker) -> None:
    portfolio = await _portfolios(busy).get(ALICE)
    infosys = next(each for each in portfolio.holdings if each.instrument_id == "NSE:INFY")
    assert (infosys.quantity, infosys.unsettled_quantity, infosys.free_quantity) == (200, 10, 200)


async def test_working_sell_order_holds_its_shares(busy: BusyBroker) -> None:
    portfolio = await _portfolios(busy).get(BOB)
    infosys = next(each for each in portfolio.holdings if each.instrument_id == "NSE:INFY")
    assert (infosys.quantity, infosys.held_quantity, infosys.free_quantity) == (148, 4, 144)


async def test_holding_pnl_is_value_minus_cost(busy: BusyBroker) -> None:
    portfolio = await _portfolios(busy).get(ALICE)
    infosys = next(each for each in portfolio.holdings if each.instrument_id == "NSE:INFY")
    reference = _reference("NSE:INFY")
    came_in = 200 * reference + 4 * 154_900 + 6 * 155_000
    assert infosys.cost == _rupees(came_in)
    assert infosys.value == _rupees(210 * reference)
    assert infosys.pnl == _rupees(210 * reference - came_in)
    assert infosys.price_source == "REFERENCE"


async def test_positions_show_only_the_days_trades(busy: BusyBroker) -> None:
    assert (await _portfolios(busy).get(ALICE)).positions == []
    busy.execute(_TRADED_TODAY)
    portfolio = await _portfolios(busy).get(ALICE)
    (position,) = portfolio.positions
    bought = 4 * 154_900 + 6 * 155_000
    assert portfolio.trade_date == DAY
    assert (position.net_quantity, position.buy_value) == (10, _rupees(bought))
    assert position.buy_average_price == "1549.6000"
    assert position.pnl == portfolio.totals.day_pnl == _rupees(10 * _reference("NSE:INFY") - bought)
    assert portfolio.totals.day_charges == position.charges != "0.00"


async def test_unknown_user_owns_nothing(busy: BusyBroker) -> None:
    portfolio = await _portfolios(busy).get(busy.world.id("filled"))
    assert (portfolio.holdings, portfolio.positions, portfolio.totals.value) == ([], [], "0.00")


@pytest.mark.parametrize(
    ("trades", "price", "average", "pnl"),
    [
        ([("BUY", 100, 1000), ("SELL", 100, 1100), ("BUY", 10, 2000)], 2000, "2000.0000", "0.00"),
        ([("BUY", 10, 1000), ("SELL", 10, 1000), ("BUY", 10, 3000)], 3000, "3000.0000", "0.00"),
        ([("BUY", 1, 100), ("BUY", 2, 101), ("SELL", 1, 500)], 101, "100.6667", "0.67"),
    ],
)
async def test_bought_after_everything_was_sold_begins_anew(
    broker: Broker, database: Database, trades: list[tuple[str, int, int]], price: int, average: str, pnl: str
) -> None:
    for number, (side, quantity, at) in enumerate(trades):
        await _trade(broker, Side(side), quantity, at, number)
        await _settle(broker, number)
    view = await Portfolios(PostgresPortfolios(database), _Prices(price * 100), _INSTRUMENTS).get(OWNER)
    (held,) = [each for each in view.holdings if each.security_id == _TCS]
    assert (held.average_price, held.pnl, view.totals.pnl) == (average, pnl, pnl)
    assert held.cost == view.totals.cost
    assert held.quantity == sum(quantity if side == "BUY" else -quantity for side, quantity, _ in trades)


class _Prices:
    """TCS alone has a price."""

    def __init__(self, paise: int) -> None:
        self._paise = paise

    async def prices(self, instrument_ids: Sequence[str], on: date) -> dict[str, Price]:
        return {each: Price(self._paise, PriceSource.REFERENCE) for each in instrument_ids if each == "NSE:TCS"}


async def _trade(broker: Broker, side: Side, quantity: int, rupees: int, number: int) -> None:
    order = {"instrument_id": "NSE:TCS", "security_id": _TCS, "price": rupees * 100, "limit_price": rupees * 100}
    _, [key] = await broker.submitted(side=side, quantity=quantity, **order)
    at = (datetime.now(UTC) + timedelta(seconds=number)).isoformat()
    await broker.receive(fill(key, quantity, f"{rupees}.00", quantity, leaves_quantity=0, transact_time=at))
    assert (await broker.order(key)).state is State.FILLED


async def _settle(broker: Broker, number: int) -> None:
    """What was bought may be sold from now on."""
    unsettled = broker.rows(
        "SELECT balance FROM accounts WHERE account = 'client.unsettled_shares' AND asset = %s AND balance > 0", _TCS
    )
    if unsettled:
        leg = Leg(Account.UNSETTLED_SHARES, Account.HOLDINGS, _TCS, unsettled[0][0], LegReason.SETTLED)
        await broker.post(Entry(OWNER, uuid5(SPACE, f"settled {number}"), EntrySource.SETTLEMENT, (leg,)))


def test_day_pnl_closes_the_net_quantity_at_the_price() -> None:
    assert Turnover(10, 1_000, 4, 480, 7).pnl(110) == 480 - 1_000 + 6 * 110
    assert Turnover(0, 0, 2, 300, 0).pnl(100) == 300 - 200


def _reference(instrument_id: str) -> int:
    instrument = _INSTRUMENTS.find(instrument_id, datetime.now(UTC).date())
    assert instrument is not None
    return instrument.reference_price_paise


def _rupees(paise: int) -> str:
    sign = "-" if paise < 0 else ""
    return f"{sign}{abs(paise) // 100}.{abs(paise) % 100:02d}"
