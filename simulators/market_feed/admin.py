"""The feed's admin API on loopback.

    GET  /status                what it is doing
    GET  /faults, POST /faults  see faults; a POST replaces all settings
    POST /restart               begin the next epoch, as a restart of the process does

A refused call answers 400.
"""

from collections.abc import Sequence

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.market_feed.event_hubs import EventHubs
from simulators.market_feed.faults import Faults, FaultSettings
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.source import Source


class AdminApi:
    """Handlers over the parts of one feed."""

    def __init__(self, source: Source, publisher: Publisher, hubs: EventHubs, faults: Faults) -> None:
        self._source = source
        self._publisher = publisher
        self._hubs = hubs
        self._faults = faults

    def app(self, more: Sequence[Route] = ()) -> Starlette:
        """The ASGI application, with more routes of the source."""
        routes = [
            *more,
            Route("/status", self.status),
            Route("/faults", self.faults),
            Route("/faults", self.set_faults, methods=["POST"]),
            Route("/restart", self.restart, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={ValidationError: _invalid})

    async def status(self, _: Request) -> Response:
        """Epoch, counts and what is away."""
        return JSONResponse(
            {
                "epoch": self._source.epoch,
                "begun": self._source.begun.is_set(),
                "event_hubs_away": self._hubs.away,
                "updates_taken": self._publisher.updates_taken,
                "frames_sent": self._publisher.frames_sent,
                "windows_dropped": self._publisher.dropped,
                "faults": self._faults.settings.model_dump(),
            }
        )

    async def faults(self, _: Request) -> Response:
        """The settings in force."""
        return JSONResponse(self._faults.settings.model_dump())

    async def set_faults(self, request: Request) -> Response:
        """Replace all settings."""
        self._faults.settings = FaultSettings.model_validate_json(await request.body())
        return JSONResponse(self._faults.settings.model_dump())

    async def restart(self, _: Request) -> Response:
        """Begin the next epoch."""
        self._source.restart()
        return JSONResponse({"left_epoch": self._source.epoch})


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return JSONResponse({"errors": error.errors(include_url=False, include_context=False)}, 400)
