"""Notifications: the changes of the caller's account that a client has missed."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.notifications import NotificationsQuery
from shared.contracts.routes import notifications as routes


@endpoint(routes.LIST_NOTIFICATIONS)
async def list_notifications(call: Call[None, NotificationsQuery]) -> Reply:
    """What follows the sequence that the client names."""
    page = await call.app.notifications.after(call.user_id, call.query.after, call.query.limit)
    return Reply(page, stream_sequence=page.stream_sequence)


blueprint = blueprint_of(list_notifications)
