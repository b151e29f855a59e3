"""Invariant 12: the venue's executions and our trades, both ways, and its live orders against our working ones.

The venue is read from its database or, where only its address is given, from its admin API.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
from psycopg.rows import dict_row

from sandbox.verify.histories import order_of, worst_case
from sandbox.verify.model import Check, Inspection, Violation
from sandbox.verify.queries import load
from shared.domain.money import parse_rupees

_SQL = load("venue.sql")
_EXECUTIONS = "the venue's executions and our trades are equal by ExecID"
_LIVE = "an order that is live at the venue is ours, working and held, and each of ours is live there"
type Key = tuple[str, str]
type Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VenueBooks:
    """What the venue has: executions by (trade date, ExecID), live orders by id."""

    executions: Mapping[Key, Facts]
    live: Mapping[str, Facts]


def checks() -> list[Check]:
    """Reports are on their way for moments, so both settle."""
    return [Check(12, "the venue and we have the same executions and live orders", _run, settles=True)]


def _run(inspection: Inspection) -> Iterator[Violation]:
    if inspection.sources.exchange is None:
        return
    trades = {(row.pop("trade_date"), row.pop("exec_id")): row for row in _rows(inspection, "trades")}
    venue = _read(inspection.sources.exchange, {day for day, _ in trades} | {inspection.as_of.date().isoformat()})
    yield from _violations(_EXECUTIONS, _compare(venue.executions, trades))
    working = {row["order_id"]: row for row in map(partial(_working, inspection), _rows(inspection, "working"))}
    doubted = {row["order_id"] for row in _rows(inspection, "doubted")}
    yield from _violations(_LIVE, _compare(_identities(venue.live, doubted), _identities(working, doubted)))
    yield from _violations(_LIVE, [row for row in working.values() if row["open_hold"] != row["worst_case"]])


def _working(inspection: Inspection, row: Mapping[str, Any]) -> dict[str, Any]:
    """Whose order it is, its reports (None: some have not arrived), what it holds and what it must hold."""
    order = order_of(row)
    return {
        "order_id": str(order.order_id),
        "account": str(order.user_id),
        "quantity": order.terms.quantity,
        "report_sequence": None if order.missing_reports else order.venue_sequence,
        "open_hold": row["open_hold"],
        "worst_case": worst_case(order, inspection.terms.rate_cards),
    }


def _identities(orders: Mapping[str, Facts], doubted: set[str]) -> dict[str, Facts]:
    """Whose, how many, and how many reports; without orders in doubt, which may be live or not."""
    return {
        order_id: {name: facts[name] for name in ("account", "quantity", "report_sequence")}
        for order_id, facts in orders.items()
        if order_id not in doubted
    }


def _rows(inspection: Inspection, statement: str) -> list[dict[str, Any]]:
    return inspection.broker.execute(_SQL[statement]).fetchall()


def _violations(name: str, rows: list[dict[str, Any]]) -> Iterator[Violation]:
    if rows:
        yield Violation(12, name, tuple(rows))


def _compare(venue: Mapping[Any, Facts], ours: Mapping[Any, Facts]) -> list[dict[str, Any]]:
    return [
        {"key": key, "venue": venue.get(key), "ours": ours.get(key)}
        for key in sorted(venue.keys() | ours.keys())
        if venue.get(key) != ours.get(key)
    ]


def _read(source: str, days: set[str]) -> VenueBooks:
    if source.startswith("http"):
        reports = [report for day in sorted(days) for report in _executions_over_http(source, day)]
        live = _get(source, "/orders", live="true")["orders"]
    else:
        with psycopg.connect(source, row_factory=dict_row) as connection:
            reports = [row["body"] for row in connection.execute(_SQL["venue_executions"])]
            live = [row["body"] for row in connection.execute(_SQL["venue_live"])]
            live = [body | {"quantity": body["cum_quantity"] + body["leaves_quantity"]} for body in live]
    return VenueBooks(
        {(report["trade_date"], report["exec_id"]): _execution(report) for report in reports},
        {order["order_id"]: order for order in live},
    )


def _execution(report: Facts) -> dict[str, Any]:
    facts = {name: report[name] for name in ("venue", "account", "order_id", "instrument_id", "side", "match_id")}
    return facts | {"quantity": report["last_quantity"], "price": parse_rupees(report["last_price"])}


def _executions_over_http(url: str, day: str) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = _get(url, "/executions", trade_date=day, after=str(after))
        yield from page["executions"]
        after = page["next_after"]


def _get(url: str, path: str, **query: str) -> Any:
    with urlopen(f"{url.rstrip('/')}{path}?{urlencode(query)}", timeout=10) as answer:  # noqa: S310 - the sandbox's own
        return json.load(answer)
