"""The hubs that push to clients."""

from typing import Final

from shared.contracts.push import NegotiateQuery, NegotiateView
from shared.contracts.routes.route import STAFF, TRADER, Route

NEGOTIATE: Final = Route[None, NegotiateQuery](
    "negotiate",
    "POST",
    "negotiate",
    "Where a SignalR client connects to a hub, and its token",
    {200: NegotiateView},
    query=NegotiateQuery,
    roles=TRADER | STAFF,
)

ROUTES: Final = (NEGOTIATE,)
