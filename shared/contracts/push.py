"""How clients find the hubs, in the words of SignalR's protocol."""

from typing import Annotated

from pydantic import Field

from shared.contracts.common import Query, View
from shared.domain.push import Hub


class NegotiateQuery(Query):
    """Which hub; the rest is what SignalR clients add."""

    hub: Hub
    negotiateVersion: Annotated[str, Field(max_length=3, pattern=r"^[0-9]+$")] | None = None  # noqa: N815 - the protocol's


class NegotiateView(View):
    """Where the client connects, and the token that it shows there. SignalR clients read this by themselves."""

    url: str
    accessToken: str  # noqa: N815 - the protocol's
