"""The portfolio over HTTP: holdings and the day's positions, with their profit and loss."""

from typing import Annotated

from pydantic import Field

from shared.contracts.common import Id, Instant, Rupees, View
from shared.domain.orders.terms import Product
from shared.domain.prices import PriceSource

type AveragePrice = Annotated[str, Field(description="Rupees with four places", examples=["1500.0050"])]

type PriceTime = Annotated[Instant | None, Field(description="Exchange time of the price; null for a reference price")]
type PriceStale = Annotated[bool, Field(description="The feed is mute: the price is the last known one")]


class HoldingView(View):
    """What the client owns of one security. pnl = (price - average price) x (quantity + unsettled quantity)."""

    security_id: Annotated[str, Field(description="ISIN, else the contract's id", examples=["INE009A01021"])]
    instrument_id: Annotated[str, Field(description="Where the security is priced")]
    quantity: Annotated[int, Field(description="Settled shares, those held for working sell orders included")]
    free_quantity: Annotated[int, Field(description="What a new order may sell")]
    held_quantity: int
    unsettled_quantity: Annotated[int, Field(description="Bought, not settled yet")]
    average_price: AveragePrice
    price: Rupees | None
    price_source: PriceSource | None
    price_as_of: PriceTime
    price_stale: PriceStale
    cost: Rupees
    value: Rupees | None
    pnl: Rupees | None
    day_pnl: Annotated[
        Rupees | None,
        Field(description="Change of price since the previous close x what was there before today's trades"),
    ]


class PositionView(View):
    """What was traded today. pnl = (sell value - buy value) + net quantity x price, before charges."""

    instrument_id: str
    product: Product
    buy_quantity: int
    buy_value: Rupees
    buy_average_price: AveragePrice
    sell_quantity: int
    sell_value: Rupees
    sell_average_price: AveragePrice
    net_quantity: int
    charges: Rupees
    price: Rupees | None
    price_source: PriceSource | None
    price_as_of: PriceTime
    price_stale: PriceStale
    pnl: Rupees | None


class PortfolioTotals(View):
    """Sums over what has a price; money is in GET /api/funds."""

    cost: Rupees
    value: Rupees
    pnl: Rupees
    day_pnl: Annotated[Rupees, Field(description="Of the day's trades and of the holdings' change of price today")]
    day_charges: Rupees


class PortfolioView(View):
    """Everything at one instant."""

    user_id: Id
    trade_date: Annotated[str, Field(description="India's date that the day's positions belong to")]
    holdings: list[HoldingView]
    positions: list[PositionView]
    totals: PortfolioTotals
