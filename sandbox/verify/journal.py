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
SELECT o.order_id::text, o.user_id::text, o.client_order_id, e.event, a.idempotency_key,
       coalesce(uuid_extract_timestamp(o.order_id) < now() - interval '7 days', false) AS key_is_past_retention
FROM orders o
LEFT JOIN order_events e ON e.user_id = o.user_id AND e.order_id = o.order_id AND e.revision = 1
LEFT JOIN order_answers a ON a.user_id = o.user_id AND a.order_id = o.order_id
WHERE o.order_id = ANY(%s::uuid[])
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
        row = known.get(entry["order_id"], {"event": None})
        named = ["user_id", "client_order_id"]
        if not row.get("key_is_past_retention"):
            named.append("idempotency_key")
        wanted = {"event": "Accepted"} | {name: entry[name] for name in named if entry.get(name)}
        if any(row.get(name) != value for name, value in wanted.items()):
            yield Violation(7, _NAME, ({"journal": dict(entry), "on_record": dict(row)},))
