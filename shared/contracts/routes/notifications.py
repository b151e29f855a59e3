"""A user's stream of changes."""

from typing import Final

from shared.contracts.notifications import NotificationsQuery, NotificationsView
from shared.contracts.routes.route import Route, StreamSequence

LIST_NOTIFICATIONS: Final = Route[None, NotificationsQuery](
    "list_notifications",
    "GET",
    "notifications",
    "Changes that follow a sequence: what a client has missed",
    {200: NotificationsView},
    query=NotificationsQuery,
    errors=(410,),
    stream_sequence=StreamSequence.USE_CASE,
)

ROUTES: Final = (LIST_NOTIFICATIONS,)
