"""The venue's session against ours, over HTTP."""

from typing import Annotated, Any

from pydantic import Field

from shared.contracts.common import Query, QueryDate, View


class ReconciliationQuery(Query):
    """Which session to compare."""

    trade_date: QueryDate
    venue: Annotated[str, Field(pattern=r"^[A-Z]{2,6}$")] = "NSE"


class DifferenceView(View):
    """What the venue has and what we have under the same id; null where one side has nothing."""

    id: str
    venue: Any
    ours: Any


class ReconciliationView(View):
    """Differences both ways; the first 200 of each kind are listed. What is on its way is a difference too."""

    venue: str
    trade_date: str
    equal: bool
    venue_executions: int
    our_executions: int
    execution_differences: int
    executions: list[DifferenceView]
    venue_live_orders: int
    our_working_orders: int
    order_differences: int
    orders: list[DifferenceView]
