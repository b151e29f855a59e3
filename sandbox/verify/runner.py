"""Runs the checks: strict ones over one snapshot, settling ones until they pass or the time is up."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import psycopg
from psycopg.rows import dict_row

from sandbox.verify import costs, durable, histories, journal, messaging, statements, venue
from sandbox.verify.model import INVARIANTS, Check, Inspection, Sources, Terms, Verdict, Violation

_MOST_PER_CHECK = 20
_ROWS_SHOWN = 5
_PAUSE_S = 0.25
_NEWEST = """
SELECT greatest((SELECT max(at) FROM order_events), (SELECT max(booked_at) FROM transfers),
                (SELECT max(created_at) FROM effects), (SELECT max(taken_at) FROM sagas)) AS at
"""


def all_checks() -> list[Check]:
    """Every check, by invariant."""
    modules = (statements, histories, costs, journal, venue, durable, messaging)
    return sorted((check for module in modules for check in module.checks()), key=lambda check: check.invariant)


def verify(sources: Sources, terms: Terms, *, pause: Callable[[float], None] = time.sleep) -> Verdict:
    """Check every invariant; the first entry of `violations` is the first violation by number."""
    verdict = Verdict(skipped=_skipped(sources, terms))
    checks = [check for check in all_checks() if check.invariant not in verdict.skipped]
    found = _strict(sources, terms, [check for check in checks if not check.settles])
    found += _settled(sources, terms, [check for check in checks if check.settles], pause)
    broken = {(violation.invariant, violation.check) for violation in found}
    verdict.violations = sorted(found, key=lambda violation: violation.invariant)
    verdict.passed = [check.name for check in checks if (check.invariant, check.name) not in broken]
    return verdict


def _skipped(sources: Sources, terms: Terms) -> dict[int, str]:
    reasons = {15: "the audit chain is not built yet"}
    if sources.journal is None:
        reasons[7] = "no journal of a client was given"
    if sources.exchange is None:
        reasons[12] = "no address of the venue was given"
    if sources.durable is None:
        reasons |= dict.fromkeys((14, 16), "no address of the Durable task hub was given")
    if terms.stopped and not terms.at_rest:
        reasons[17] = "a stopped system need not be at rest"
        reasons.setdefault(12, "a stopped system may have reports on their way")
    return {number: reasons[number] for number in INVARIANTS if number in reasons}


def _strict(sources: Sources, terms: Terms, checks: Sequence[Check]) -> list[Violation]:
    with _inspection(sources, terms) as inspection:
        return [violation for check in checks for violation in islice(check.run(inspection), _MOST_PER_CHECK)]


def _settled(
    sources: Sources, terms: Terms, checks: Sequence[Check], pause: Callable[[float], None]
) -> list[Violation]:
    """At rest a system gets time to come to rest; a running one is only accused of what stays."""
    deadline = time.monotonic() + (0 if terms.stopped else terms.settle_s)
    violations = _strict(sources, terms, checks)
    while violations and time.monotonic() < deadline:
        pause(_PAUSE_S)
        again = _strict(sources, terms, checks)
        violations = again if terms.at_rest else _staying(violations, again)
    return [replace(violation, rows=violation.rows[:_ROWS_SHOWN]) for violation in violations]


def _staying(before: Sequence[Violation], now: Sequence[Violation]) -> list[Violation]:
    known = {(violation.invariant, violation.check, repr(row)) for violation in before for row in violation.rows}
    stayed = [replace(v, rows=tuple(row for row in v.rows if (v.invariant, v.check, repr(row)) in known)) for v in now]
    return [violation for violation in stayed if violation.rows]


@contextmanager
def _inspection(sources: Sources, terms: Terms) -> Iterator[Inspection]:
    with psycopg.connect(sources.broker, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # Rows come to megabytes here and there, and a disk is nearer than a killed server.
        connection.execute("SET LOCAL work_mem = '64MB'")
        yield Inspection(connection, sources, terms, _as_of(connection, terms))


def _as_of(connection: psycopg.Connection[dict[str, object]], terms: Terms) -> datetime:
    """The present; for a stopped system the moment of its newest row."""
    if not terms.stopped:
        return datetime.now(UTC)
    row = connection.execute(_NEWEST).fetchone()
    newest = row["at"] if row else None
    return newest if isinstance(newest, datetime) else datetime.now(UTC)
