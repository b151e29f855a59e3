"""Letting clients connect to the hubs."""

from shared.contracts.push import NegotiateView
from shared.domain.errors import UnavailableError
from shared.domain.push import Hub
from shared.ports.identity import Actor
from shared.ports.push import Hubs

_NOT_CONFIGURED_RETRY_S = 60


class Push:
    """The use cases; without hubs nothing is pushed, and clients poll."""

    def __init__(self, hubs: Hubs | None) -> None:
        self._hubs = hubs

    async def negotiate(self, hub: Hub, caller: Actor) -> NegotiateView:
        """Where the caller's client connects, as this user. Raises UnavailableError."""
        if self._hubs is None:
            raise UnavailableError("This broker pushes nothing: poll instead", retry_after_s=_NOT_CONFIGURED_RETRY_S)
        access = await self._hubs.admit(hub, caller.user_id, caller.roles)
        return NegotiateView(url=access.url, accessToken=access.token)
