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
    documentation,
    doubts,
    funds,
    health,
    instruments,
    ledger,
    orders,
    portfolios,
    reconciliation,
    sagas,
    trades,
)
from shared.contracts.routes.route import Route

_PARAMETER: Final = re.compile(r"\{\w+\}")


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
    instruments.ROUTES,
    sagas.ROUTES,
    doubts.ROUTES,
    ledger.ROUTES,
    reconciliation.ROUTES,
    backlog.ROUTES,
    health.ROUTES,
    documentation.ROUTES,
)
