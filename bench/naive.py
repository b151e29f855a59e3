"""The reference: a place-order endpoint as one writes it with FastAPI and psycopg, one transaction a request.

    NAIVE_SETTINGS='{"database": ..., ...}' uvicorn bench.naive:app

The same checks as the broker's: token, role and scope, KYC, idempotency, rate limit, the same risk rules, funds,
a durable order with its event. It only inserts: nothing is reserved, sent or filled afterwards. A list is one request,
so it is one transaction too, and its rows are sent in one pipeline.
"""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import jwt
import orjson
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from shared.adapters.reference import load_reference_data
from shared.domain.money import parse_rupees
from shared.domain.orders.risk import RiskFacts, check
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce

SCHEMA = """
CREATE TABLE customers (user_id uuid PRIMARY KEY, kyc_status text NOT NULL);
CREATE TABLE balances (user_id uuid, asset text, available bigint NOT NULL, PRIMARY KEY (user_id, asset));
CREATE TABLE orders (
    user_id uuid NOT NULL, order_id uuid NOT NULL, idempotency_key text NOT NULL, fingerprint bytea NOT NULL,
    client_order_id text, instrument_id text NOT NULL, side text NOT NULL, order_type text NOT NULL,
    product text NOT NULL, time_in_force text NOT NULL, quantity bigint NOT NULL, price bigint, state text NOT NULL,
    accepted_at timestamptz NOT NULL, answer text NOT NULL, PRIMARY KEY (user_id, order_id),
    UNIQUE (user_id, idempotency_key), UNIQUE (user_id, client_order_id));
CREATE TABLE order_events (
    user_id uuid, order_id uuid, version integer, event text NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (user_id, order_id, version));
"""
_PER_MINUTE = 60
_SETTINGS = orjson.loads(os.environ.get("NAIVE_SETTINGS", "{}"))
_DATA = load_reference_data()
_CALENDAR = _DATA.calendars["continuous"]


class NewOrder(BaseModel):
    """The request's body."""

    model_config = ConfigDict(extra="forbid")

    instrument_id: str
    side: Literal["BUY", "SELL"]
    order_type: Literal["LIMIT", "MARKET"]
    product: Literal["CNC"]
    quantity: int
    price: str | None = None
    time_in_force: Literal["DAY", "IOC"] = "DAY"
    client_order_id: str | None = None


class NewOrders(BaseModel):
    """The body of a list."""

    model_config = ConfigDict(extra="forbid")

    orders: list[NewOrder] = Field(min_length=1, max_length=25)


class _Parts:
    pool: AsyncConnectionPool[Any]
    redis: Redis
    keys: jwt.PyJWKClient


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    _Parts.keys = jwt.PyJWKClient(_SETTINGS["jwks_url"])
    _Parts.redis = Redis.from_url(_SETTINGS["redis"], max_connections=1_000)
    async with AsyncConnectionPool(_SETTINGS["database"], min_size=8, max_size=16) as _Parts.pool:
        yield


app = FastAPI(lifespan=_lifespan)
_MOST_VERIFIED = 10_000
_VERIFIED: dict[str, tuple[UUID, float]] = {}


async def current_user(authorization: Annotated[str, Header()]) -> UUID:
    """The trader whose token it is. A token that was verified is remembered until it expires, as ours is."""
    token = authorization.removeprefix("Bearer ")
    known = _VERIFIED.get(token)
    if known is not None and known[1] > time.time():
        return known[0]
    try:
        key = _Parts.keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token, key.key, algorithms=["RS256"], issuer=_SETTINGS["issuer"], audience=_SETTINGS["audience"]
        )
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    if "trader" not in claims.get("roles", []) or "access_as_user" not in claims.get("scp", "").split():
        raise HTTPException(403)
    user_id = UUID(claims["oid"])
    if len(_VERIFIED) < _MOST_VERIFIED:
        _VERIFIED[token] = user_id, float(claims["exp"])
    return user_id


@app.post("/api/orders", status_code=202)
async def place_order(
    body: NewOrder, idempotency_key: Annotated[str, Header()], user_id: Annotated[UUID, Depends(current_user)]
) -> Response:
    """Register the order, or answer again what was answered."""
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).digest()
    await _spend(user_id, 1)
    async with _Parts.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT c.kyc_status, o.fingerprint, o.answer, b.available FROM customers c "
            "LEFT JOIN orders o ON o.user_id = c.user_id AND o.idempotency_key = %s "
            "LEFT JOIN balances b ON b.user_id = c.user_id AND b.asset = %s WHERE c.user_id = %s",
            (idempotency_key, _asset(body), user_id),
        )
        found = await cursor.fetchone()
        if found is None or found[0] != "ACTIVE":
            raise HTTPException(403)
        if found[1] is not None:
            if found[1] != fingerprint:
                raise HTTPException(422)
            return Response(found[2], 202, media_type="application/json")
        at = datetime.now(UTC)
        _require_risk(body, found[3] or 0, at)
        order_id, answer, row = _order(user_id, idempotency_key, fingerprint, body, at)
        await connection.execute(_INSERT, row)
        await connection.execute("INSERT INTO order_events VALUES (%s, %s, 1, 'Accepted', %s)", (user_id, order_id, at))
    return Response(answer, 202, media_type="application/json", headers={"Location": f"/api/orders/{order_id}"})


@app.post("/api/orders/batch", status_code=207)
async def place_orders(
    body: NewOrders, idempotency_key: Annotated[str, Header()], user_id: Annotated[UUID, Depends(current_user)]
) -> Response:
    """Register each order of the list, or answer again what was answered."""
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).digest()
    await _spend(user_id, len(body.orders))
    keys = [f"{idempotency_key},{place}" for place in range(len(body.orders))]
    async with _Parts.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT c.kyc_status, b.asset, b.available FROM customers c "
            "LEFT JOIN balances b ON b.user_id = c.user_id AND b.asset = ANY(%s) WHERE c.user_id = %s",
            (list({_asset(order) for order in body.orders}), user_id),
        )
        known = await cursor.fetchall()
        if not known or known[0][0] != "ACTIVE":
            raise HTTPException(403)
        available = {asset: amount for _, asset, amount in known}
        cursor = await connection.execute(
            "SELECT idempotency_key, fingerprint, answer FROM orders WHERE user_id = %s AND idempotency_key = ANY(%s)",
            (user_id, keys),
        )
        stored = {key: (mark, answer) for key, mark, answer in await cursor.fetchall()}
        if any(mark != fingerprint for mark, _ in stored.values()):
            raise HTTPException(422)
        at = datetime.now(UTC)
        answers, rows, events = [], [], []
        for key, order in zip(keys, body.orders, strict=True):
            if key in stored:
                answers.append(stored[key][1])
                continue
            _require_risk(order, available.get(_asset(order), 0), at)
            order_id, answer, row = _order(user_id, key, fingerprint, order, at)
            answers.append(answer)
            rows.append(row)
            events.append((user_id, order_id, at))
        async with connection.cursor() as writing:
            await writing.executemany(_INSERT, rows)
            await writing.executemany("INSERT INTO order_events VALUES (%s, %s, 1, 'Accepted', %s)", events)
    items = ",".join(f'{{"status":202,"body":{answer}}}' for answer in answers)
    return Response(f'{{"items":[{items}]}}', 207, media_type="application/json")


_INSERT = "INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'ACCEPTED', %s, %s)"


def _asset(order: NewOrder) -> str:
    return "INR" if order.side == "BUY" else order.instrument_id


def _order(
    user_id: UUID, key: str, fingerprint: bytes, order: NewOrder, at: datetime
) -> tuple[UUID, str, tuple[Any, ...]]:
    """An order's id, its answer and its row."""
    order_id = uuid4()
    answer = orjson.dumps({"order_id": order_id, "status": "PENDING_NEW", "received_at": at}).decode()
    price = None if order.price is None else parse_rupees(order.price)
    terms = (order.instrument_id, order.side, order.order_type, order.product, order.time_in_force, order.quantity)
    return order_id, answer, (user_id, order_id, key, fingerprint, order.client_order_id, *terms, price, at, answer)


async def _spend(user_id: UUID, orders: int) -> None:
    """A fixed window of a minute in Redis."""
    key = f"naive:{user_id}"
    async with _Parts.redis.pipeline(transaction=False) as pipeline:
        await pipeline.incrby(key, orders)
        await pipeline.expire(key, 60, nx=True)
        used, _ = await pipeline.execute()
    if used > _PER_MINUTE:
        raise HTTPException(429)


def _require_risk(body: NewOrder, available: int, at: datetime) -> None:
    trade_date = _CALENDAR.trade_date(at)
    facts = RiskFacts(
        instrument=_DATA.instruments.find(body.instrument_id, trade_date),
        trade_date=trade_date,
        session_open=_CALENDAR.is_open(at),
        available_cash_paise=available if body.side == "BUY" else 0,
        free_quantity=available if body.side == "SELL" else 0,
        limits=_DATA.limits.for_date(trade_date),
        rate_cards=_DATA.rate_cards,
        now=at,
    )
    price = None if body.price is None else parse_rupees(body.price)
    terms = Terms(
        instrument_id=body.instrument_id,
        security_id="" if facts.instrument is None else facts.instrument.security_id,
        segment="" if facts.instrument is None else facts.instrument.segment,
        side=Side(body.side),
        order_type=OrderType(body.order_type),
        product=Product(body.product),
        time_in_force=TimeInForce(body.time_in_force),
        quantity=body.quantity,
        price=price,
        limit_price=price or 0,
    )
    refusal = check(terms, facts)
    if refusal is not None:
        raise HTTPException(422, refusal.message)
