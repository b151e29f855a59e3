"""A client's portfolio, valued at the best known prices."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.contracts.portfolios import HoldingView, PortfolioTotals, PortfolioView, PositionView
from shared.domain.money import format_average, format_rupees
from shared.domain.portfolios import Holding
from shared.ports.instruments import Price, Prices
from shared.ports.portfolios import PortfolioReader


class Portfolios:
    """The use case."""

    def __init__(self, reader: PortfolioReader, prices: Prices) -> None:
        self._reader = reader
        self._prices = prices

    async def get(self, user_id: UUID) -> PortfolioView:
        """Holdings, the day's positions and totals at one instant. Raises UnavailableError."""
        record = await self._reader.portfolio(user_id)
        prices = await self._prices.prices([each.instrument_id for each in record.holdings], record.trade_date)
        traded = [each for each in record.holdings if each.today.buy_quantity or each.today.sell_quantity]
        return PortfolioView(
            user_id=str(user_id),
            trade_date=record.trade_date.isoformat(),
            holdings=[_holding(each, prices.get(each.instrument_id)) for each in record.holdings if each.quantity],
            positions=[_position(each, prices.get(each.instrument_id)) for each in traded],
            totals=_totals(record.holdings, prices),
        )


def _holding(holding: Holding, price: Price | None) -> HoldingView:
    value = None if price is None else holding.quantity * price.paise
    return HoldingView(
        instrument_id=holding.instrument_id,
        quantity=holding.settled,
        free_quantity=holding.free,
        held_quantity=holding.held,
        unsettled_quantity=holding.unsettled,
        average_price=format_average(*holding.came_in),
        price=None if price is None else format_rupees(price.paise),
        price_source=None if price is None else price.source.value,
        cost=format_rupees(holding.cost),
        value=None if value is None else format_rupees(value),
        pnl=None if value is None else format_rupees(value - holding.cost),
    )


def _position(holding: Holding, price: Price | None) -> PositionView:
    today = holding.today
    return PositionView(
        instrument_id=holding.instrument_id,
        buy_quantity=today.buy_quantity,
        buy_value=format_rupees(today.buy_value),
        buy_average_price=format_average(today.buy_value, today.buy_quantity),
        sell_quantity=today.sell_quantity,
        sell_value=format_rupees(today.sell_value),
        sell_average_price=format_average(today.sell_value, today.sell_quantity),
        net_quantity=today.net_quantity,
        charges=format_rupees(today.charges),
        price=None if price is None else format_rupees(price.paise),
        price_source=None if price is None else price.source.value,
        pnl=None if price is None else format_rupees(today.pnl(price.paise)),
    )


def _totals(holdings: Sequence[Holding], prices: Mapping[str, Price]) -> PortfolioTotals:
    priced = [(each, prices[each.instrument_id].paise) for each in holdings if each.instrument_id in prices]
    cost = sum(holding.cost for holding, _ in priced)
    value = sum(holding.quantity * price for holding, price in priced)
    return PortfolioTotals(
        cost=format_rupees(cost),
        value=format_rupees(value),
        pnl=format_rupees(value - cost),
        day_pnl=format_rupees(sum(holding.today.pnl(price) for holding, price in priced)),
        day_charges=format_rupees(sum(holding.today.charges for holding in holdings)),
    )
