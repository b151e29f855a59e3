"""Positions that fills depend on, loaded with the orders of a unit of work."""

from collections.abc import Collection, Mapping
from typing import Final

import orjson
from psycopg import AsyncConnection

from shared.adapters.postgres.queries import load
from shared.domain.orders.terms import Product
from shared.domain.positions import PositionKey

_SQL: Final = load("positions.sql")


async def load_positions(connection: AsyncConnection, keys: Collection[PositionKey]) -> Mapping[PositionKey, int]:
    """What was bought minus what was sold, of each position; zero where nothing was traded."""
    asked = {"keys": orjson.dumps([key._asdict() for key in sorted(keys)]).decode()}
    rows = await (await connection.execute(_SQL["positions"], asked)).fetchall()
    return {
        PositionKey(user, trade_date, instrument, Product(product)): net
        for user, trade_date, instrument, product, net in rows
    }
