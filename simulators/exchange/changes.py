"""Newest report numbers of the orders that changed, by lane: how a broker finds reports that it never received.

Asking costs one range scan of the archive over the reports made since the oldest position, whatever rests in the
books. A position is the id of a report, which is computed from the journal: a rebuilt venue gives the same ones.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.exchange.lanes import LANES, lane_name, lane_of

_LANES = frozenset(map(lane_name, range(LANES)))
_POSITION = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Numbered:
    """One archived report, as far as this question needs it; `report_sequence` is None outside an order's life."""

    report_id: int
    order_id: str
    report_sequence: int | None
    account: str | None
    instrument_id: str | None


def parse_positions(text: str) -> dict[str, int]:
    """Position by lane of "00:0,07:3145728". Raises ValueError, whose message names the entry."""
    positions: dict[str, int] = {}
    for entry in text.split(","):
        lane, _, digits = entry.partition(":")
        if lane not in _LANES or lane in positions or not _POSITION.fullmatch(digits):
            raise ValueError(f"{entry[:40]!r} is not lane:position with a lane from 00 to {LANES - 1}, each lane once")
        positions[lane] = int(digits)
    return positions


def answer(positions: Mapping[str, int], page: Sequence[Numbered], *, more: bool) -> dict[str, Any]:
    """The body for a page of all reports behind the lowest of the positions, oldest first."""
    reached = page[-1].report_id if page else 0
    return {
        "positions": {lane: max(position, reached) for lane, position in positions.items()},
        "orders": list(_newest(positions, page)),
        "more": more,
    }


def _newest(positions: Mapping[str, int], page: Iterable[Numbered]) -> Iterable[dict[str, Any]]:
    """The newest number of every order, in the order in which they last changed."""
    found: dict[str, dict[str, Any]] = {}
    for report in page:
        if report.report_sequence is None or report.instrument_id is None or report.account is None:
            continue
        lane = lane_of(report.instrument_id)
        if lane not in positions or report.report_id <= positions[lane]:
            continue
        found.pop(report.order_id, None)
        found[report.order_id] = {
            "lane": lane,
            "order_id": report.order_id,
            "account": report.account,
            "last_sequence": report.report_sequence,
        }
    return found.values()
