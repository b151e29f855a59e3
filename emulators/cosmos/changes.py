"""The change feed: the latest version of what was written, in the order of writing, without deletions
(https://learn.microsoft.com/azure/cosmos-db/nosql/change-feed-design-patterns).
"""

import re
import time
from dataclasses import dataclass

from emulators.cosmos.catalog import Container
from emulators.cosmos.errors import bad_request
from emulators.cosmos.limits import MAX_RESPONSE_BYTES
from emulators.cosmos.partitions import Span
from emulators.cosmos.queries import Page
from emulators.cosmos.store import Store

_LSN = re.compile(r'"?(\d{1,18})"?')


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the feed. `lsn` is what it is read up to, `written` the number of the range's last write."""

    page: Page
    lsn: int
    written: int

    @property
    def etag(self) -> str:
        """From where the next page goes on."""
        return f'"{self.lsn}"'


async def read_changes(
    store: Store, container: Container, range_number: int, span: Span, after: str | None, since: float, most: int
) -> Changes:
    """What was written behind `after`: an etag, `*` for now, None for the beginning. Raises CosmosError."""
    rows = await store.fetch(
        "read_changes",
        {
            "container_id": container.id,
            "range": range_number,
            "low": span.low,
            "high": span.high,
            "after": _lsn(after),
            "since": since,
            "ttl_s": container.definition.ttl_s,
            "now": time.time(),
            "most": most,
            "bytes": MAX_RESPONSE_BYTES,
        },
    )
    if not rows:
        raise bad_request(f"The container has no partition key range '{range_number}'.")
    page, written = Page(), rows[0][0]
    changed = [row for row in rows if row[1] is not None]
    for _, lsn, body, _ in changed:
        page.results.append(body[:-1] + b',"_lsn":%d}' % lsn)
        page.read_items += 1
        page.read_bytes += len(body)
    # A whole page ends at its last document; a shorter one has seen everything that is written by now.
    is_whole = bool(changed) and (len(changed) == most or len(changed) < changed[0][3])
    return Changes(page, changed[-1][1] if is_whole else written, written)


def _lsn(after: str | None) -> int:
    if after is None:
        return 0
    if after == "*":
        return 2**62
    match = _LSN.fullmatch(after)
    if match is None:
        raise bad_request("The continuation of the change feed is not valid.")
    return int(match[1])
