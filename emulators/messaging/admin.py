"""Read-only HTTP side of the namespace: what ServiceBusAdministrationClient asks for queues, as Atom XML.

`GET /{queue}` and `GET /$Resources/queues`, both authorized by a shared access signature in the Authorization header.
Reference: https://learn.microsoft.com/rest/api/servicebus/
"""

from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from xml.sax.saxutils import escape

from aiohttp import web
from aiohttp.typedefs import Handler

from emulators.messaging.broker import Broker
from emulators.messaging.cbs import SharedKey, TokenError, verify_token
from emulators.messaging.queues import Queue

_CONNECT = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
_ATOM = "http://www.w3.org/2005/Atom"
_DETAIL = "http://schemas.microsoft.com/netservices/2011/06/servicebus"
_NEVER = "P10675199DT2H48M5.4775807S"


class AdminServer:
    """Serves the figures of a broker's queues."""

    def __init__(self, broker: Broker, shared_key: SharedKey) -> None:
        self._broker = broker
        self._shared_key = shared_key
        app = web.Application(middlewares=[self._authorize], client_max_size=64 * 1024)
        app.router.add_get("/$Resources/{kind}", self._list)
        app.router.add_get("/{name:.+}", self._get)
        self._runner = web.AppRunner(app, access_log=None)

    async def listen(self, host: str, port: int, tls: SSLContext | None) -> int:
        """Start; returns the port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            verify_token(request.headers.get("Authorization", ""), self._shared_key)
        except TokenError as error:
            return _error(401, str(error))
        return await handler(request)

    async def _get(self, request: web.Request) -> web.Response:
        queue = self._broker.queues.get(request.match_info["name"].lower())
        if queue is None:
            # The service answers an unknown entity with an empty feed.
            return _xml(f'<feed xmlns="{_ATOM}"><title>Publicly Listed Services</title></feed>')
        return _xml(_entry(queue))

    async def _list(self, request: web.Request) -> web.Response:
        try:
            skip, top = int(request.query.get("$skip", "0")), int(request.query.get("$top", "100"))
        except ValueError:
            return _error(400, "$skip and $top are numbers.")
        queues = list(self._broker.queues.values()) if request.match_info["kind"] == "queues" else []
        entries = "".join(_entry(queue) for queue in queues[skip : skip + top])
        return _xml(f'<feed xmlns="{_ATOM}"><title type="text">Queues</title>{entries}</feed>')


def _entry(queue: Queue) -> str:
    figures = queue.figures()
    properties = queue.config.properties
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ttl = properties.default_message_time_to_live
    fields = (
        ("LockDuration", _duration(properties.lock_duration)),
        ("MaxSizeInMegabytes", "1024"),
        ("RequiresDuplicateDetection", _boolean(properties.requires_duplicate_detection)),
        ("RequiresSession", _boolean(properties.requires_session)),
        ("DefaultMessageTimeToLive", _NEVER if ttl is None else _duration(ttl)),
        ("DeadLetteringOnMessageExpiration", _boolean(properties.dead_lettering_on_message_expiration)),
        ("DuplicateDetectionHistoryTimeWindow", _duration(properties.duplicate_detection_history_time_window)),
        ("MaxDeliveryCount", str(properties.max_delivery_count)),
        ("EnableBatchedOperations", "true"),
        ("SizeInBytes", str(figures.size_bytes)),
        ("MessageCount", str(figures.active + figures.scheduled + figures.dead_letter)),
        ("Status", "Active"),
        ("CreatedAt", now),
        ("UpdatedAt", now),
        ("AccessedAt", now),
    )
    counts = (
        ("ActiveMessageCount", figures.active),
        ("DeadLetterMessageCount", figures.dead_letter),
        ("ScheduledMessageCount", figures.scheduled),
        ("TransferDeadLetterMessageCount", 0),
        ("TransferMessageCount", 0),
    )
    body = "".join(f"<{name}>{value}</{name}>" for name, value in fields)
    details = "".join(f'<d:{name} xmlns:d="{_DETAIL}">{value}</d:{name}>' for name, value in counts)
    return (
        f'<entry xmlns="{_ATOM}"><title type="text">{escape(queue.config.name)}</title>'
        f'<content type="application/xml"><QueueDescription xmlns="{_CONNECT}">{body}'
        f"<CountDetails>{details}</CountDetails></QueueDescription></content></entry>"
    )


def _duration(value: timedelta) -> str:
    return f"PT{value.total_seconds():.3f}S"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _xml(body: str) -> web.Response:
    return web.Response(text=body, content_type="application/atom+xml")


def _error(status: int, detail: str) -> web.Response:
    body = f"<Error><Code>{status}</Code><Detail>{escape(detail)}</Detail></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")
