"""Holdings, positions and their profit and loss."""

from datetime import UTC, datetime

from shared.adapters.postgres.reads import PostgresReads
from shared.adapters.reference import load_reference_data
from shared.application.portfolios import Portfolios
from shared.application.prices import ReferencePrices
from shared.domain.portfolios import Holding
from shared.domain.positions import Turnover
from tests.support.busy import BusyBroker
from tests.verify.world import ALICE, BOB, DAY

_INSTRUMENTS = load_reference_data().instruments
_TRADED_TODAY = f"""
INSERT INTO market_clock (offset_us)
SELECT extract(epoch FROM timestamptz '{DAY} 12:00+05:30' - now())::bigint * 1000000
"""


def _portfolios(busy: BusyBroker) -> Portfolios:
    return Portfolios(PostgresReads(busy.database), ReferencePrices(_INSTRUMENTS), _INSTRUMENTS)


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


def test_cost_of_the_rest_does_not_depend_on_order() -> None:
    holding = Holding("INE009A01021", 3, 0, 0, 2, 200, Turnover(2, 300, 1, 170, 0))
    assert holding.cost == 375  # three quarters of 500


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
