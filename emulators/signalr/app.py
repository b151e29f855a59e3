"""The emulator as one ASGI application: REST API, negotiation, WebSockets, CORS."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route, WebSocketRoute

from emulators.signalr.addresses import Origins
from emulators.signalr.clients import Clients
from emulators.signalr.hubs import Registry
from emulators.signalr.rest import RestApi
from emulators.signalr.tokens import AccessKeys


def create_app(registry: Registry, keys: AccessKeys, public_url: str, cors_origins: Sequence[str]) -> Starlette:
    """Everything over one registry; `*` among the origins allows any, with credentials, as the service does."""
    origins = Origins(public_url)
    clients = Clients(registry, keys, origins)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[] if "*" in cors_origins else list(cors_origins),
        allow_origin_regex=".*" if "*" in cors_origins else None,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
    )
    app = Starlette(
        routes=[
            Route("/client/negotiate", clients.negotiate, methods=["POST"]),
            WebSocketRoute("/client/", clients),
            WebSocketRoute("/client", clients),
            Mount("/api", RestApi(registry, keys, origins)),
        ],
        middleware=[cors],
    )
    app.router.redirect_slashes = False
    return app
