"""Request entries as they come from the bus, judged one by one before they are journaled.

Checks that need instrument data, the clocks or chance are made here, in the order of `_refusals`, and their
verdict travels in the journal; what the order itself decides (known, tombstoned, ended) the venue judges,
and those reasons come first.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from simulators.exchange.commands import Kind, Reason, Request
from simulators.exchange.instruments import InstrumentMaster

MAX_ENTRIES = 200
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_PRICE = r"^\d{1,12}(\.\d{1,8})?$"
_ACCOUNT = r"^[\x20-\x7e]{1,64}$"
_MAX_QUANTITY = 10**12
_PARKED_CHARACTERS = 4000

type _Id = Annotated[str, Field(pattern=_UUID)]
type _Side = Literal["BUY", "SELL"]
type _Quantity = Annotated[int, Field(strict=True, ge=-_MAX_QUANTITY, le=_MAX_QUANTITY)]


class BadMessageError(Exception):
    """The message's body is no request list; nothing in it can be judged."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)
    request_id: _Id
    order_id: _Id
    instrument_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
    account: Annotated[str, Field(pattern=_ACCOUNT)]


class _Terms(_Entry):
    side: _Side
    order_type: Literal["LIMIT"]
    time_in_force: Literal["DAY", "IOC", "FOK"]
    quantity: _Quantity
    price: Annotated[str, Field(pattern=_PRICE)]


class _New(_Terms):
    kind: Literal["NEW"]
    expire_at: AwareDatetime


class _Replace(_Terms):
    kind: Literal["REPLACE"]


class _Cancel(_Entry):
    kind: Literal["CANCEL"]
    side: _Side


class _Status(_Entry):
    kind: Literal["STATUS"]


class _Resend(_Entry):
    kind: Literal["RESEND"]
    from_sequence: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


type _AnyEntry = Annotated[_New | _Replace | _Cancel | _Status | _Resend, Field(discriminator="kind")]
_ENTRY: TypeAdapter[_New | _Replace | _Cancel | _Status | _Resend] = TypeAdapter(_AnyEntry)


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """An entry without usable ids: it can only be parked."""

    entry: str
    error: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the verdicts of one batch depend on."""

    now: datetime
    trade_date: date
    open: bool
    master: InstrumentMaster


def entries_of(body: bytes) -> list[Any]:
    """The entries of a message. Raises BadMessageError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadMessageError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != 1:
        raise BadMessageError("not a version 1 document")
    entries = document.get("requests")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_ENTRIES:
        raise BadMessageError(f"requests must be a list of 1 to {MAX_ENTRIES} entries")
    return entries


def judge(entry: Any, conditions: Conditions) -> Request | Unanswerable:
    """The request with the verdict of its checks."""
    try:
        parsed = _ENTRY.validate_python(entry)
    except ValidationError as error:
        return _malformed(entry, error)
    if isinstance(parsed, _New | _Replace):
        return _with_terms(parsed, conditions)
    side = parsed.side if isinstance(parsed, _Cancel) else ""
    from_sequence = parsed.from_sequence if isinstance(parsed, _Resend) else 1
    ids = (parsed.request_id.lower(), parsed.order_id.lower(), parsed.instrument_id, parsed.account)
    return Request(Kind(parsed.kind), *ids, side=side, from_sequence=from_sequence)


def _with_terms(parsed: _New | _Replace, conditions: Conditions) -> Request:
    paise = Decimal(parsed.price) * 100
    request = Request(
        Kind(parsed.kind),
        parsed.request_id.lower(),
        parsed.order_id.lower(),
        parsed.instrument_id,
        account=parsed.account,
        side=parsed.side,
        time_in_force=parsed.time_in_force,
        quantity=parsed.quantity,
        price=int(paise),
    )
    if isinstance(parsed, _New) and conditions.now > parsed.expire_at:
        return replace(request, refusal=Reason.STALE, text=f"read after {parsed.expire_at.isoformat()}")
    refused = _refusal(request, conditions)
    if refused is None and paise != int(paise):
        refused = Reason.PRICE_TICK, f"price {parsed.price} has a fraction of a paisa"
    return request if refused is None else replace(request, refusal=refused[0], text=refused[1])


def _refusal(request: Request, conditions: Conditions) -> tuple[Reason, str] | None:
    if not conditions.open:
        return Reason.MARKET_CLOSED, f"no session is open on {conditions.trade_date}"
    instrument = conditions.master.find(request.instrument_id, conditions.trade_date)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT, "the venue does not list this instrument"
    return instrument.refuse(request.price, request.quantity)


def _malformed(entry: Any, error: ValidationError) -> Request | Unanswerable:
    """Answer what names its order; anything else is parked."""
    first = error.errors()[0]
    text = f"{'.'.join(str(part) for part in first['loc'][1:]) or 'kind'}: {first['msg']}"
    fields = entry if isinstance(entry, dict) else {}
    kind, ids = fields.get("kind"), [fields.get("request_id"), fields.get("order_id")]
    usable = all(isinstance(value, str) and re.fullmatch(_UUID, value) for value in ids)
    if not usable or kind not in list(Kind):
        return Unanswerable(_printable(entry), text)
    side, account = fields.get("side"), fields.get("account")
    return Request(
        Kind(kind),
        str(ids[0]).lower(),
        str(ids[1]).lower(),
        instrument_id=_instrument_id(fields.get("instrument_id")),
        account=account if isinstance(account, str) and re.fullmatch(_ACCOUNT, account) else "",
        side=side if side in ("BUY", "SELL") else "",
        refusal=Reason.MALFORMED,
        text=text[:200],
    )


def _instrument_id(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]{1,64}", value) else ""


def _printable(entry: Any) -> str:
    return orjson.dumps(entry).decode()[:_PARKED_CHARACTERS].replace("\x00", "")
