"""The hubs that push to clients."""

from typing import Final

from shared.contracts.push import NegotiateQuery, NegotiateView
from shared.contracts.routes.route import STAFF, TRADER, Route
from shared.contracts.subscriptions import Subscribe, SubscriptionsView, Unsubscribe

NEGOTIATE: Final = Route[None, NegotiateQuery](
    "negotiate",
    "POST",
    "negotiate",
    "Where a SignalR client connects to a hub, and its token",
    {200: NegotiateView},
    query=NegotiateQuery,
    roles=TRADER | STAFF,
)
SUBSCRIBE: Final = Route[Subscribe, None](
    "subscribe",
    "PUT",
    "marketdata/subscriptions",
    "What a connection to the hub market gets from now on",
    {200: SubscriptionsView},
    body=Subscribe,
    roles=TRADER | STAFF,
    errors=(404,),
)
UNSUBSCRIBE: Final = Route[Unsubscribe, None](
    "unsubscribe",
    "DELETE",
    "marketdata/subscriptions",
    "What a connection to the hub market gets no longer",
    {200: SubscriptionsView},
    body=Unsubscribe,
    roles=TRADER | STAFF,
    errors=(404,),
)

ROUTES: Final = (NEGOTIATE, SUBSCRIBE, UNSUBSCRIBE)
