"""What waits."""

from typing import Final

from shared.contracts.backlog import BacklogView
from shared.contracts.routes.route import STAFF, Route

GET_BACKLOG: Final = Route[None, None](
    "get_backlog",
    "GET",
    "operations/backlog",
    "What waits in queues and outboxes, dead letters and parked reports",
    {200: BacklogView},
    roles=STAFF,
)

ROUTES: Final = (GET_BACKLOG,)
