"""The one table of HTTP routes, one file a noun.

Edge, registration, OpenAPI document and rate limits derive from it; a test compares the guides with it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from shared.contracts.routes import (
    backlog,
    candles,
    documentation,
    doubts,
    funds,
    health,
    instruments,
    ledger,
    notifications,
    orders,
    portfolios,
    push,
    quotes,
    reconciliation,
    sagas,
    trades,
    watchlists,
    webhooks,
)
from shared.contracts.routes.route import Route

_PARAMETER: Final = re.compile(r"\{\w+\}")
_ESCAPED_PARAMETER: Final = re.compile(r"\\\{\w+\\\}")


def joined(*nouns: Iterable[Route[Any, Any]]) -> tuple[Route[Any, Any], ...]:
    """All rows in order. Raises ValueError when two have one name, or answer to one method and path."""
    rows = tuple(chain.from_iterable(nouns))
    names = Counter(row.name for row in rows)
    # What a parameter is called does not keep two paths apart.
    addresses = Counter(f"{row.method} {_PARAMETER.sub('{}', row.path)}" for row in rows)
    repeated = [each for each, times in (names + addresses).items() if times > 1]
    if repeated:
        raise ValueError(f"the route table has these more than once: {', '.join(repeated)}")
    return rows


ROUTES: Final = joined(
    orders.ROUTES,
    portfolios.ROUTES,
    trades.ROUTES,
    funds.ROUTES,
    notifications.ROUTES,
    instruments.ROUTES,
    push.ROUTES,
    quotes.ROUTES,
    candles.ROUTES,
    watchlists.ROUTES,
    webhooks.ROUTES,
    sagas.ROUTES,
    doubts.ROUTES,
    ledger.ROUTES,
    reconciliation.ROUTES,
    backlog.ROUTES,
    health.ROUTES,
    documentation.ROUTES,
)
_PATTERNS: Final = [
    (re.compile(_ESCAPED_PARAMETER.sub("[^/]+", re.escape(row.path)), re.IGNORECASE), "{" in row.path, row.methods)
    for row in ROUTES
]


def methods_of(path: str) -> frozenset[str]:
    """The methods that a path below /api takes, by the table; empty for a path that is not in it.

    A path that stands in the table as it is belongs to no other row: orders/batch is no order.
    """
    found = [(has_parameter, methods) for pattern, has_parameter, methods in _PATTERNS if pattern.fullmatch(path)]
    own = [methods for has_parameter, methods in found if not has_parameter]
    return frozenset(chain.from_iterable(own or [methods for _, methods in found]))


SHADOWING: Final = frozenset(
    row.name
    for row, (pattern, has_parameter, _) in zip(ROUTES, _PATTERNS, strict=True)
    if has_parameter and any(pattern.fullmatch(other.path) for other in ROUTES if "{" not in other.path)
)
"""Rows with a parameter that the host also calls for the path of another row."""
