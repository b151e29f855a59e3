"""The administration API that ServiceBusAdministrationClient speaks: entities and rules as Atom XML.

    GET, PUT, DELETE  /{queue or topic}, /{topic}/Subscriptions/{name}, /{topic}/Subscriptions/{name}/Rules/{rule}
    GET               /$Resources/queues|topics, /{topic}/Subscriptions, /{topic}/Subscriptions/{name}/Rules
    GET               /$namespaceinfo

PUT creates, or changes with `If-Match: *`. A shared access signature in the Authorization header covers the path.
Reference: https://learn.microsoft.com/rest/api/servicebus/
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLContext
from xml.etree.ElementTree import Element

from aiohttp import web
from aiohttp.typedefs import Handler

from emulators.messaging import descriptions
from emulators.messaging.administration import Administration
from emulators.messaging.broker import Broker
from emulators.messaging.cbs import SharedKey, TokenError, covers, verify_token
from emulators.messaging.descriptions import DescriptionError, build, entity_entry, read_description, read_properties
from emulators.messaging.entities import (
    QueueConfig,
    QueueProperties,
    RuleName,
    SubscriptionConfig,
    TopicConfig,
    TopicProperties,
)
from emulators.messaging.errors import AmqpError, Condition, entity_not_found
from emulators.messaging.queues import Queue
from emulators.messaging.rule_xml import CONNECT, RuleError, read_rule
from emulators.messaging.rules import DEFAULT_RULE, Rule
from emulators.messaging.topics import Subscription, Topic
from emulators.processes.http_connections import HttpConnections

_MAX_BODY_BYTES = 256 * 1024
_MAX_PAGE = 100
_MAX_CONNECTIONS = 256
_IDLE_S = 30.0
_REQUEST_TIMEOUT_S = 30.0
_STATUS = {
    Condition.NOT_FOUND: 404,
    Condition.ALREADY_EXISTS: 409,
    Condition.RESOURCE_LIMIT: 403,
    Condition.SERVER_BUSY: 503,
}
_PATH = re.compile(
    r"(?P<topic>.+)/subscriptions(?:/(?P<subscription>[^/]+)(?:/(?P<rules>rules)(?:/(?P<rule>.+))?)?)?", re.IGNORECASE
)


class AdminServer:
    """Serves the entities of a broker."""

    def __init__(self, broker: Broker, shared_key: SharedKey, *, idle_s: float = _IDLE_S) -> None:
        self._broker = broker
        self._administration = Administration(broker)
        self._shared_key = shared_key
        self._idle_s = idle_s
        self._connections: HttpConnections | None = None
        app = web.Application(
            middlewares=[self._answer_errors, self._bound, self._authorize], client_max_size=_MAX_BODY_BYTES
        )
        app.router.add_get("/$namespaceinfo", self._namespace)
        app.router.add_get("/$Resources/{kind:queues|topics}", self._entities)
        app.router.add_route("*", "/{path:.+}", self._dispatch)
        self._runner = web.AppRunner(app, access_log=None)

    async def listen(self, host: str, port: int, tls: SSLContext | None) -> int:
        """Start; returns the port."""
        await self._runner.setup()
        assert self._runner.server is not None
        self._connections = HttpConnections(self._runner.server, limit=_MAX_CONNECTIONS, idle_s=self._idle_s)
        return await self._connections.listen(host, port, tls)

    async def close(self) -> None:
        if self._connections is not None:
            self._connections.stop_listening()
        await self._runner.cleanup()

    @web.middleware
    async def _bound(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert self._connections is not None
        self._connections.serving(request, begins=True)
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                return await handler(request)
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        finally:
            self._connections.serving(request, begins=False)

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except TokenError as error:
            return _error(401, str(error))
        except (DescriptionError, RuleError) as error:
            return _error(400, f"SubCode=40000. Bad Request. {error}")
        except AmqpError as error:
            status = _STATUS.get(error.condition, 400)
            return _error(status, f"SubCode={status}00. {error.description}")
        except web.HTTPException as error:
            return _error(error.status, error.reason)

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        claim = verify_token(request.headers.get("Authorization", ""), self._shared_key)
        if not covers(claim.path, request.path.strip("/").lower()):
            raise TokenError("InvalidAudience: The token is for another entity.")
        return await handler(request)

    # --- pages ------------------------------------------------------------------------------------------------------

    async def _namespace(self, request: web.Request) -> web.Response:
        return _xml(descriptions.namespace_entry(request.host))

    async def _entities(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        entities: Sequence[Queue] = list((self._broker.queues if kind == "queues" else self._broker.topics).values())
        return _page(request, kind.capitalize(), entities, lambda one: entity_entry(one, request.host))

    async def _dispatch(self, request: web.Request) -> web.Response:
        path = request.match_info["path"].strip("/")
        parts = _PATH.fullmatch(path)
        if parts is None:
            return await self._carry_out(request, self._entity_methods(request, path))
        topic = self._topic(parts["topic"])
        if parts["subscription"] is None:
            return await self._carry_out(request, {"GET": self._subscriptions(request, topic)})
        if parts["rules"] is None:
            return await self._carry_out(request, self._subscription_methods(request, topic, parts["subscription"]))
        subscription = self._subscription(topic, parts["subscription"])
        if parts["rule"] is None:
            return await self._carry_out(request, {"GET": self._rules(request, subscription)})
        return await self._carry_out(request, self._rule_methods(request, subscription, parts["rule"]))

    async def _carry_out(self, request: web.Request, methods: "_Methods") -> web.Response:
        method = methods.get(request.method)
        if method is None:
            raise web.HTTPMethodNotAllowed(request.method, methods)
        return await method()

    # --- queues and topics ------------------------------------------------------------------------------------------

    def _entity_methods(self, request: web.Request, path: str) -> "_Methods":
        entity = self._broker.target(path.lower())

        async def get() -> web.Response:
            # The service answers an unknown entity with an empty feed.
            return _nothing(request) if entity is None else _xml(entity_entry(entity, request.host))

        async def put() -> web.Response:
            body = await request.read()
            kind = "Topic" if b"TopicDescription" in body else "Queue"
            description = read_description(body, kind)
            if _changes(request):
                return await self._change(request, entity, path, description)
            if kind == "Topic":
                properties = read_properties(description, TopicProperties)
                config = build(TopicConfig, {"Name": path, "Properties": properties})
                made: Queue = await self._administration.create_topic(config)
            else:
                queue = {"Name": path, "Properties": read_properties(description, QueueProperties)}
                made = await self._administration.create_queue(build(QueueConfig, queue))
            return _xml(entity_entry(made, request.host), 201)

        return {"GET": get, "PUT": put, "DELETE": lambda: self._delete(entity, path)}

    async def _change(
        self, request: web.Request, entity: Queue | None, path: str, description: Element
    ) -> web.Response:
        if entity is None:
            raise entity_not_found(path)
        if isinstance(entity, Topic):
            await self._administration.change_topic(entity, read_properties(description, TopicProperties))
        else:
            await self._administration.change_queue(entity, read_properties(description, QueueProperties))
        return _xml(entity_entry(entity, request.host))

    async def _delete(self, entity: Queue | None, path: str) -> web.Response:
        if entity is None:
            raise entity_not_found(path)
        await self._administration.delete(entity)
        return web.Response()

    def _topic(self, name: str) -> Topic:
        topic = self._broker.topics.get(name.lower())
        if topic is None:
            raise entity_not_found(name)
        return topic

    # --- subscriptions ----------------------------------------------------------------------------------------------

    def _subscriptions(self, request: web.Request, topic: Topic) -> "_Method":
        async def get() -> web.Response:
            return _page(request, "Subscriptions", topic.subscriptions, lambda one: entity_entry(one, request.host))

        return get

    def _subscription(self, topic: Topic, name: str) -> Subscription:
        subscription = topic.subscription(name)
        if subscription is None:
            raise entity_not_found(f"{topic.config.name}/Subscriptions/{name}")
        return subscription

    def _subscription_methods(self, request: web.Request, topic: Topic, name: str) -> "_Methods":
        found = topic.subscription(name)

        async def get() -> web.Response:
            return _nothing(request) if found is None else _xml(entity_entry(found, request.host))

        async def put() -> web.Response:
            description = read_description(await request.read(), "Subscription")
            if _changes(request):
                return await self._change(request, found, name, description)
            properties = read_properties(description, QueueProperties)
            config = build(SubscriptionConfig, {"Name": name, "Properties": properties})
            made = await self._administration.create_subscription(topic, config, _default_rule(description))
            return _xml(entity_entry(made, request.host), 201)

        return {"GET": get, "PUT": put, "DELETE": lambda: self._delete(found, name)}

    # --- rules ------------------------------------------------------------------------------------------------------

    def _rules(self, request: web.Request, subscription: Subscription) -> "_Method":
        async def get() -> web.Response:
            rules = list(subscription.rules.values())
            return _page(
                request, "Rules", rules, lambda rule: descriptions.rule_entry(subscription, rule, request.host)
            )

        return get

    def _rule_methods(self, request: web.Request, subscription: Subscription, name: str) -> "_Methods":
        async def get() -> web.Response:
            rule = subscription.rules.get(name)
            if rule is None:
                return _nothing(request)
            return _xml(descriptions.rule_entry(subscription, rule, request.host))

        async def put() -> web.Response:
            build(RuleName, {"Name": name})
            rule = read_rule(read_description(await request.read(), "Rule"), name, time.time())
            changes = _changes(request)
            if changes:
                subscription.replace_rule(rule)
            else:
                subscription.add_rule(rule)
            await self._broker.store.committed()
            entry = descriptions.rule_entry(subscription, subscription.rule(name), request.host)
            return _xml(entry, 200 if changes else 201)

        async def delete() -> web.Response:
            subscription.remove_rule(name)
            await self._broker.store.committed()
            return web.Response()

        return {"GET": get, "PUT": put, "DELETE": delete}


type _Method = Callable[[], Awaitable[web.Response]]
type _Methods = dict[str, _Method]


def _default_rule(description: Element) -> Rule | None:
    """The rule that a new subscription begins with, when the description has one."""
    element = description.find(f"{CONNECT}DefaultRuleDescription")
    if element is None:
        return None
    name = element.findtext(f"{CONNECT}Name") or DEFAULT_RULE
    return read_rule(element, build(RuleName, {"Name": name}).name, time.time())


def _changes(request: web.Request) -> bool:
    return "If-Match" in request.headers


def _page[Item](
    request: web.Request, title: str, items: Sequence[Item], write: Callable[[Item], Element]
) -> web.Response:
    try:
        skip, top = int(request.query.get("$skip", "0")), int(request.query.get("$top", str(_MAX_PAGE)))
    except ValueError as error:
        raise DescriptionError("$skip and $top are numbers.") from error
    if skip < 0 or top < 1:
        raise DescriptionError("$skip is at least 0, and $top at least 1.")
    top = min(top, _MAX_PAGE)
    following = str(request.url.update_query({"$skip": skip + top, "$top": top})) if skip + top < len(items) else None
    entries = [write(item) for item in items[skip : skip + top]]
    return _xml(descriptions.feed(title, entries, str(request.url), following))


def _nothing(request: web.Request) -> web.Response:
    return _xml(descriptions.feed("Publicly Listed Services", [], str(request.url), None))


def _xml(element: Element, status: int = 200) -> web.Response:
    body = descriptions.to_bytes(element)
    return web.Response(status=status, body=body, content_type="application/atom+xml", charset="utf-8")


def _error(status: int, detail: str) -> web.Response:
    body = descriptions.to_bytes(descriptions.error(status, detail))
    return web.Response(status=status, body=body, content_type="application/xml", charset="utf-8")
