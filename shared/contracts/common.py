"""What all contracts share: bases, the vocabulary of field types, pages and cursors.

Rules: unknown fields are refused; requests are strict (a number is no string, and 1.5 is no integer; 1.0 is one, as in
JSON Schema); money and prices are decimal strings in rupees, quantities integers, times RFC 3339 in UTC; ids are UUIDs.
"""

import re
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from shared.domain.ledger.accounts import INR
from shared.domain.money import MAX_QUANTITY, format_rupees, parse_rupees
from shared.domain.times import wire_time

# Python and pydantic read more than these: 1_0, +1, seconds since 1970 as a date, {...} and urn:uuid:... as an id.
_DIGITS = re.compile(r"0|-?[1-9][0-9]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_UNSEEN = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""Control characters, line separators and what turns the direction of a text."""
_LINE = re.compile(rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$")


class Body(BaseModel):
    """Base of request bodies."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Query(BaseModel):
    """Base of query strings, whose values arrive as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class View(BaseModel):
    """Base of what is answered; also checked, in tests, against what the use cases answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, record: object, **shown: object) -> Self:
        """The record's values under the view's names as they are written on the wire, and those that are `shown`.

        A value that needs more than its type says to be written (money, which needs its asset) must be shown.
        """
        plain = {name: _written(getattr(record, name)) for name in cls.model_fields if name not in shown}
        return cls.model_validate(plain | shown)


class Page[Item](View):
    """One page of a list; `next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


def _written(value: object) -> object:
    match value:
        case datetime():
            return wire_time(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case _:
            return value


def _positive_rupees(text: str) -> str:
    if parse_rupees(text) == 0:
        raise ValueError("the amount must be above zero: send a positive one")
    return text


def _one_line(text: str) -> str:
    if not _LINE.search(text):
        raise ValueError("write one line that is not blank, without control characters")
    return text


def plain_digits(value: object) -> object:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("write a whole number in plain digits")
    return value


def whole_number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain_date(value: object) -> object:
    if isinstance(value, str) and not _DATE.fullmatch(value):
        raise ValueError("write a date as YYYY-MM-DD")
    return value


def _plain_id(value: object) -> object:
    if isinstance(value, str) and not _ID.fullmatch(value):
        raise ValueError("write an id as 8-4-4-4-12 hexadecimal digits")
    return value


def _not_offered(value: object) -> object:
    if value is not None:
        raise ValueError("this field is not offered yet: leave it out")
    return value


type InstrumentId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{2,6}:[A-Z0-9&-]{1,40}$", max_length=47),
    Field(description="EXCHANGE:SYMBOL", examples=["NSE:INFY"]),
]
type PositiveRupees = Annotated[
    str,
    StringConstraints(max_length=12),
    AfterValidator(_positive_rupees),
    Field(
        description="Rupees as a decimal string with at most two places, above zero",
        examples=["1500.05"],
        json_schema_extra={"pattern": r"^([1-9][0-9]{0,8}(\.[0-9]{1,2})?|0\.(0[1-9]|[1-9][0-9]?))$"},
    ),
]
type Rupees = Annotated[str, Field(description="Rupees as a decimal string", examples=["1500.05"])]
type Amount = Annotated[str, Field(description="Rupees of INR, or a number of shares", examples=["1500.05", "10"])]
type Quantity = Annotated[
    int, Field(ge=1, le=MAX_QUANTITY, description="Shares", examples=[10]), BeforeValidator(whole_number)
]
type Instant = Annotated[
    str,
    Field(
        description="RFC 3339, UTC, microseconds",
        examples=["2026-11-23T04:15:00.000000Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
type Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
type Text = Annotated[
    str,
    StringConstraints(max_length=500),
    AfterValidator(_one_line),
    Field(json_schema_extra={"pattern": _LINE.pattern}),
]
type Title = Annotated[
    str,
    StringConstraints(max_length=40),
    AfterValidator(_one_line),
    Field(json_schema_extra={"pattern": _LINE.pattern}),
]
type UserRef = Annotated[
    str,
    StringConstraints(pattern=r"^(me|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$"),
    Field(description="`me`, or the id of a user; staff may name any user"),
]
type PageLimit = Annotated[
    int, Field(ge=1, le=200, description="Entries a page at most"), BeforeValidator(plain_digits)
]
type StreamPosition = Annotated[
    int,
    Field(ge=0, le=2**63 - 1, description="The last sequence that you have; 0 asks from the first change on"),
    BeforeValidator(plain_digits),
]
type QueryDate = Annotated[date, BeforeValidator(_plain_date)]
type QueryId = Annotated[UUID, BeforeValidator(_plain_id)]
NotOffered = Annotated[
    None, BeforeValidator(_not_offered), Field(description="Reserved for a later version: any value is refused")
]


class OwnerQuery(Query):
    """Whose resource is meant, where the path does not say."""

    user_id: UserRef = "me"


class PageQuery(Query):
    """Paging of every list; `cursor` comes with the list, because each has a format of its own."""

    limit: PageLimit = 50


def amount(asset: str, units: int) -> str:
    """`Amount` of the asset: rupees of INR, a number of anything else."""
    return format_rupees(units) if asset == INR else str(units)
