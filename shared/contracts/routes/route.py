"""A row of the route table: who may call, with which contract, under which limit.

Rules:
- A caller needs one of `roles`; a person's token also needs the scope `access_as_user`, a service's token has none.
- A route of a user's resource serves the caller's own. Roles in `others` may also name another user; for everybody
  else another user's resource does not exist (404).
- `needs_kyc` is decided by the use case, which reads the KYC status together with its other facts.
- `limited_by` USE_CASE: an idempotency key must be looked up before a call is counted, so the use case counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import BaseModel

SCOPE: Final = "access_as_user"
TRADER: Final = frozenset({"trader"})
STAFF: Final = frozenset({"ops_maker", "ops_checker", "compliance", "admin"})
OPERATORS: Final = frozenset({"ops_maker", "ops_checker"})
EVERYBODY: Final = TRADER | STAFF | {"market_feed"}
NOBODY: Final[frozenset[str]] = frozenset()


class IdempotencyKey(StrEnum):
    """Whether a call takes an Idempotency-Key header."""

    NONE = "NONE"
    OPTIONAL = "OPTIONAL"
    REQUIRED = "REQUIRED"


class LimitedBy(StrEnum):
    """Who counts a call against its limit."""

    EDGE = "EDGE"
    USE_CASE = "USE_CASE"
    NOBODY = "NOBODY"


class StreamSequence(StrEnum):
    """Who puts the sequence of the caller's stream (`X-Stream-Sequence`) on an answer about the caller's account.

    EDGE reads it before the handler runs, so the answer shows at least every change up to it. USE_CASE: it is part of
    the commit or read that the answer is made of.
    """

    NONE = "NONE"
    EDGE = "EDGE"
    USE_CASE = "USE_CASE"


@dataclass(frozen=True, slots=True, eq=False)
class Route[BodyModel, QueryModel]:
    """One row. `path` is below /api; `answers` are the statuses that are no errors, with their models."""

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BodyModel] | None = None
    query: type[QueryModel] | None = None
    roles: frozenset[str] = TRADER
    others: frozenset[str] = NOBODY
    public: bool = False
    needs_kyc: bool = False
    limited_by: LimitedBy = LimitedBy.EDGE
    idempotency_key: IdempotencyKey = IdempotencyKey.NONE
    takes_prefer_wait: bool = False
    uses_durable: bool = False
    stream_sequence: StreamSequence = StreamSequence.NONE
    errors: tuple[int, ...] = ()
    """Error statuses beside those that every route of its kind has."""
    content_types: tuple[str, ...] = ("application/json",)
    """Of its answers."""
    revalidated: bool = False
    """Its answer may be kept and has an ETag; `If-None-Match` with it is answered 304."""
    max_body_bytes: int = 16_384
    counted_as: str = ""
    """The row of the limits table whose limit is spent; empty: its own."""

    @property
    def methods(self) -> tuple[str, ...]:
        """What the path takes by this row: HEAD wherever it takes GET (RFC 9110, 9.1)."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def noun(self) -> str:
        """What it is about: the first segment of the path."""
        return self.path.partition("/")[0]

    @property
    def call(self) -> str:
        """The route as people name it: "POST /api/orders"."""
        return f"{self.method} /api/{self.path}"

    @property
    def limit_name(self) -> str:
        """The row of the limits table: "POST /api/orders"."""
        return self.counted_as or self.call
