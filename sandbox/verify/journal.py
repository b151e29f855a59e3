"""Invariant 7: every 202 that a client wrote down is on record, for its user and with its client_order_id."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import Any

from sandbox.verify.model import Check, Inspection, Violation

_NAME = "every 202 in the client's journal is on record"
_PAGE = 1000
_FIND = """
SELECT order_id::text, user_id::text, client_order_id, idempotency_key, answer_status
FROM orders WHERE order_id = ANY(%s::uuid[])
"""


def checks() -> list[Check]:
    """The one check; skipped without a journal."""
    return [Check(7, _NAME, _run)]


def _run(inspection: Inspection) -> Iterator[Violation]:
    journal = inspection.sources.journal
    if journal is None:
        return
    for page in batched(_accepted(journal), _PAGE, strict=False):
        known = {
            row["order_id"]: row
            for row in inspection.broker.execute(_FIND, ([entry["order_id"] for entry in page],)).fetchall()
        }
        yield from _missing(page, known)


def _accepted(journal: Path) -> Iterator[Mapping[str, Any]]:
    """The journal's acceptances; a line that a crash of the client cut short is the last one and is left out."""
    with journal.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            entry = json.loads(line)
            if entry.get("status", 202) == 202:  # noqa: PLR2004 - HTTP
                yield entry


def _missing(page: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> Iterator[Violation]:
    for entry in page:
        row = known.get(entry["order_id"], {"answer_status": None})
        wanted = {"answer_status": 202} | {
            name: entry[name] for name in ("user_id", "client_order_id", "idempotency_key") if entry.get(name)
        }
        if any(row.get(name) != value for name, value in wanted.items()):
            yield Violation(7, _NAME, ({"journal": dict(entry), "on_record": dict(row)},))
