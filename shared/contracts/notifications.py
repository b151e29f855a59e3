"""A user's stream of changes over HTTP; the hub `user` pushes the same items."""

from typing import Annotated, Any

from pydantic import Field

from shared.contracts.common import Instant, PageLimit, Query, StreamPosition, View


class NotificationsQuery(Query):
    """What follows the last sequence that the client has."""

    after: StreamPosition
    limit: PageLimit = 50


class NotificationView(View):
    """One change. What `payload` is depends on `kind`: an order, a trade, or accounts as the change left them."""

    sequence: Annotated[int, Field(description="1, 2, 3... for each user, without a gap")]
    kind: Annotated[str, Field(description="`order`, `trade` or `balances`; later versions add kinds")]
    payload: Annotated[dict[str, Any], Field(description="OrderView, TradeView, or `user_id` and `balances`")]
    at: Instant


class NotificationsView(View):
    """The changes that follow `after`, oldest first, none left out. There are more when the last item's sequence is
    below `stream_sequence`."""

    items: list[NotificationView]
    stream_sequence: Annotated[int, Field(description="The sequence of the newest change, as in X-Stream-Sequence")]
