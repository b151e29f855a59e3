"""The words of verification: an invariant is checked by named checks, each gives violations with their rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from shared.domain.charges.rate_cards import RateCards

type Row = Mapping[str, Any]
type Reading = psycopg.Connection[dict[str, Any]]

INVARIANTS: Mapping[int, str] = {
    1: "every ledger transaction sums to zero per asset, shares included",
    2: "balances equal the replay of transfers; cash and shares are conserved from the seed deposits",
    3: "per order: held = captured + released + open; per account: held = sum of open holds",
    4: "an ended order holds nothing; a working one holds exactly the worst case of its leaves",
    5: "no client's available balance or free holding is below zero, ever",
    6: "one order per idempotency key and client_order_id of a user; one verdict per accepted input",
    7: "every 202 in the client's journal is on record",
    8: "orders move by legal transitions only; every order that has not ended has an owner and a deadline",
    9: "each due compensation has exactly one effect",
    10: "filled <= quantity; exact notional = sum of its executions",
    11: "positions, holdings, their cost and their lots = replay of openings and trades",
    12: "the venue's executions and our trades are equal by ExecID, both ways; live orders are ours and held",
    13: "per-user sequence numbers have no gap; what clients can see is on record once a change, as it is, and is "
    "delivered at least once: clients order by sequence",
    14: "replaying any stored orchestration history gives the same actions; a saga's turns do not grow",
    15: "the audit chain verifies",
    16: "no write under an expired lease succeeds",
    17: "at rest, queues and unsent effects drain to zero",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be, with the rows that show it."""

    invariant: int
    check: str
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        shown = "\n".join("    " + ", ".join(f"{k}={v}" for k, v in row.items()) for row in self.rows)
        return f"invariant {self.invariant} ({INVARIANTS[self.invariant]})\n  {self.check}\n{shown}"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look: libpq URIs, the venue also by its admin address. What is None is skipped, with its reason."""

    broker: str
    messaging: str | None = None
    durable: str | None = None
    exchange: str | None = None
    """The venue's database (postgresql://) or admin API (http://)."""
    journal: Path | None = None
    """JSON lines of accepted orders: at least `order_id`, and of `user_id, client_order_id` what is known."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts as late, and how long to wait for what is in flight."""

    rate_cards: RateCards
    stopped: bool = False
    """Nothing runs, so the clock that counts is the newest row's."""
    at_rest: bool = False
    """Everything has drained: what is in flight is a violation."""
    late_after: timedelta = timedelta(minutes=2)
    """A deadline may be this long past before it is a violation: the sweep needs time."""
    settle_s: float = 15.0
    """How long something may be in flight before it counts, and how long a system gets to come to rest."""


@dataclass(slots=True)
class Inspection:
    """One run over one snapshot of the broker's database."""

    broker: Reading
    sources: Sources
    terms: Terms
    as_of: datetime

    @property
    def cutoff(self) -> datetime:
        """What has waited since then has waited too long; at rest nothing may wait at all."""
        return self.as_of if self.terms.at_rest else self.as_of - timedelta(seconds=self.terms.settle_s)


@dataclass(frozen=True, slots=True)
class Check:
    """One named check; `settles` marks those that a running system breaks for moments.

    The rows of a settling check must not change while the difference that they show stays.
    """

    invariant: int
    name: str
    run: Callable[[Inspection], Iterator[Violation]]
    settles: bool = False


@dataclass(slots=True)
class Verdict:
    """What a whole verification found; `skipped` gives the reason by invariant."""

    passed: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.violations
