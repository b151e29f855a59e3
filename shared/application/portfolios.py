"""A client's portfolio, valued at the best known prices."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.portfolios import HoldingView, PortfolioTotals, PortfolioView, PositionView
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.money import format_average, format_rupees
from shared.domain.portfolios import DayPosition, Holding
from shared.domain.times import wire_microseconds
from shared.ports.portfolios import PortfolioReader, PortfolioRecord
from shared.ports.prices import Price, Prices


class _Owned(NamedTuple):
    """A holding, where its security is priced, and how much of it was there before today's trades."""

    holding: Holding
    instrument_id: str
    before: int


class Portfolios:
    """The use case."""

    def __init__(self, reader: PortfolioReader, prices: Prices, instruments: InstrumentMaster) -> None:
        self._reader = reader
        self._prices = prices
        self._instruments = instruments

    async def get(self, user_id: UUID) -> PortfolioView:
        """Holdings, the day's positions and totals at one instant. Raises UnavailableError."""
        record = await self._reader.portfolio(user_id)
        known = [self._owned(each, record) for each in record.holdings]
        owned = [each for each in known if each.holding.quantity]
        wanted = {each.instrument_id for each in known} | {each.instrument_id for each in record.positions}
        prices = await self._prices.prices(sorted(wanted), record.trade_date)
        return PortfolioView(
            user_id=str(user_id),
            trade_date=record.trade_date.isoformat(),
            holdings=[_holding(each, prices.get(each.instrument_id)) for each in owned],
            positions=[_position(each, prices.get(each.instrument_id)) for each in record.positions],
            totals=_totals(owned, _moved(known, prices), record.positions, prices),
        )

    def _owned(self, holding: Holding, record: PortfolioRecord) -> _Owned:
        traded = sum(
            each.today.net_quantity
            for each in record.positions
            if self._security_of(each.instrument_id, record.trade_date) == holding.security_id
        )
        instrument = self._instruments.find_security(holding.security_id, record.trade_date)
        # A security that the master has forgotten is shown by its own id.
        instrument_id = holding.security_id if instrument is None else instrument.instrument_id
        return _Owned(holding, instrument_id, holding.quantity - traded)

    def _security_of(self, instrument_id: str, on: date) -> str:
        instrument = self._instruments.find(instrument_id, on)
        return instrument_id if instrument is None else instrument.security_id


def _day_pnl(owned: _Owned, price: Price | None) -> int | None:
    """What the price has changed today of what was there before; what was traded today is in the positions."""
    if price is None or price.before_paise is None:
        return None
    return owned.before * (price.paise - price.before_paise)


def _holding(owned: _Owned, price: Price | None) -> HoldingView:
    holding = owned.holding
    value = None if price is None else holding.quantity * price.paise
    return HoldingView(
        security_id=holding.security_id,
        instrument_id=owned.instrument_id,
        quantity=holding.settled,
        free_quantity=holding.free,
        held_quantity=holding.held,
        unsettled_quantity=holding.unsettled,
        average_price=holding.standing.average_price,
        cost=format_rupees(holding.cost),
        value=_rupees(value),
        pnl=None if value is None else format_rupees(value - holding.cost),
        day_pnl=_rupees(_day_pnl(owned, price)),
        **_priced(price),
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
        pnl=None if price is None else format_rupees(today.pnl(price.paise)),
        **_priced(price),
    )


def _priced(price: Price | None) -> dict[str, Any]:
    """The members of a view that say at which price it is valued."""
    if price is None:
        return {"price": None, "price_source": None, "price_as_of": None, "price_stale": False}
    return {
        "price": format_rupees(price.paise),
        "price_source": price.source,
        "price_as_of": None if price.as_of is None else wire_microseconds(price.as_of),
        "price_stale": price.stale,
    }


def _rupees(paise: int | None) -> str | None:
    return None if paise is None else format_rupees(paise)


def _moved(known: Sequence[_Owned], prices: Mapping[str, Price]) -> int:
    """The change of price today of everything that was there before, what was sold today included."""
    return sum(_day_pnl(each, prices.get(each.instrument_id)) or 0 for each in known)


def _totals(
    owned: Sequence[_Owned], moved: int, positions: Sequence[DayPosition], prices: Mapping[str, Price]
) -> PortfolioTotals:
    priced = [(each.holding, prices[each.instrument_id].paise) for each in owned if each.instrument_id in prices]
    traded = [(each.today, prices[each.instrument_id].paise) for each in positions if each.instrument_id in prices]
    cost = sum(holding.cost for holding, _ in priced)
    value = sum(holding.quantity * price for holding, price in priced)
    return PortfolioTotals(
        cost=format_rupees(cost),
        value=format_rupees(value),
        pnl=format_rupees(value - cost),
        day_pnl=format_rupees(moved + sum(today.pnl(price) for today, price in traded)),
        day_charges=format_rupees(sum(each.today.charges for each in positions)),
    )
