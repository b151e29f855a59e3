"""A client's portfolio, valued at the best known prices."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from shared.contracts.portfolios import HoldingView, PortfolioTotals, PortfolioView, PositionView
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.money import format_average, format_rupees
from shared.domain.portfolios import DayPosition, Holding
from shared.ports.portfolios import PortfolioReader
from shared.ports.prices import Price, Prices


class Portfolios:
    """The use case."""

    def __init__(self, reader: PortfolioReader, prices: Prices, instruments: InstrumentMaster) -> None:
        self._reader = reader
        self._prices = prices
        self._instruments = instruments

    async def get(self, user_id: UUID) -> PortfolioView:
        """Holdings, the day's positions and totals at one instant. Raises UnavailableError."""
        record = await self._reader.portfolio(user_id)
        owned = [(each, self._instrument_of(each, record.trade_date)) for each in record.holdings if each.quantity]
        wanted = {instrument_id for _, instrument_id in owned} | {each.instrument_id for each in record.positions}
        prices = await self._prices.prices(sorted(wanted), record.trade_date)
        return PortfolioView(
            user_id=str(user_id),
            trade_date=record.trade_date.isoformat(),
            holdings=[_holding(each, instrument_id, prices.get(instrument_id)) for each, instrument_id in owned],
            positions=[_position(each, prices.get(each.instrument_id)) for each in record.positions],
            totals=_totals(owned, record.positions, prices),
        )

    def _instrument_of(self, holding: Holding, on: date) -> str:
        """Where a security is priced; a security that the master has forgotten is shown by its own id."""
        instrument = self._instruments.find_security(holding.security_id, on)
        return holding.security_id if instrument is None else instrument.instrument_id


def _holding(holding: Holding, instrument_id: str, price: Price | None) -> HoldingView:
    value = None if price is None else holding.quantity * price.paise
    return HoldingView(
        security_id=holding.security_id,
        instrument_id=instrument_id,
        quantity=holding.settled,
        free_quantity=holding.free,
        held_quantity=holding.held,
        unsettled_quantity=holding.unsettled,
        average_price=holding.standing.average_price,
        price=None if price is None else format_rupees(price.paise),
        price_source=None if price is None else price.source,
        cost=format_rupees(holding.cost),
        value=None if value is None else format_rupees(value),
        pnl=None if value is None else format_rupees(value - holding.cost),
    )


def _position(position: DayPosition, price: Price | None) -> PositionView:
    today = position.today
    return PositionView(
        instrument_id=position.instrument_id,
        product=position.product,
        buy_quantity=today.buy_quantity,
        buy_value=format_rupees(today.buy_value),
        buy_average_price=format_average(today.buy_value, today.buy_quantity),
        sell_quantity=today.sell_quantity,
        sell_value=format_rupees(today.sell_value),
        sell_average_price=format_average(today.sell_value, today.sell_quantity),
        net_quantity=today.net_quantity,
        charges=format_rupees(today.charges),
        price=None if price is None else format_rupees(price.paise),
        price_source=None if price is None else price.source,
        pnl=None if price is None else format_rupees(today.pnl(price.paise)),
    )


def _totals(
    owned: Sequence[tuple[Holding, str]], positions: Sequence[DayPosition], prices: Mapping[str, Price]
) -> PortfolioTotals:
    priced = [(holding, prices[instrument_id].paise) for holding, instrument_id in owned if instrument_id in prices]
    traded = [(each.today, prices[each.instrument_id].paise) for each in positions if each.instrument_id in prices]
    cost = sum(holding.cost for holding, _ in priced)
    value = sum(holding.quantity * price for holding, price in priced)
    return PortfolioTotals(
        cost=format_rupees(cost),
        value=format_rupees(value),
        pnl=format_rupees(value - cost),
        day_pnl=format_rupees(sum(today.pnl(price) for today, price in traded)),
        day_charges=format_rupees(sum(each.today.charges for each in positions)),
    )
