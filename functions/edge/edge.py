"""The HTTP edge: turns `async def place_order(call) -> Reply` into the function that the worker registers.

    @endpoint(routes.GET_ORDER)
    async def get_order(call: Call[None, OwnerQuery]) -> Reply:
        return Reply(await call.app.orders.get(call.user_id, call.id("order_id")))

    blueprint = blueprint_of(get_order)

What a call goes through, all of it by the row of the route table: access token, required header, role and scope, query,
whose resource it is, body, rate limit, handler. Whatever is refused becomes one problem document; an unexpected
exception is logged with the request's id and answered without its details.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import azure.durable_functions as df
import azure.functions as func
import structlog
from pydantic import BaseModel

from functions.edge.requests import (
    MissingHeaderError,
    called_path,
    read_body,
    read_idempotency_key,
    read_prefer_wait,
    read_query,
    require_host,
)
from functions.edge.responses import Reply, refuse, respond
from shared.composition import Application, application
from shared.contracts.common import Query
from shared.contracts.routes import SHADOWING, methods_of
from shared.contracts.routes.route import SCOPE, IdempotencyKey, LimitedBy, Route, StreamSequence
from shared.domain.errors import (
    BrokerError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    RateLimitedError,
    RetryLaterError,
    UnauthenticatedError,
    internal_error,
)
from shared.ports.identity import Actor
from shared.ports.order_sagas import OrderSagas
from shared.ports.rate_limits import RateLimit
from shared.telemetry import begin_request

_ANONYMOUS: Final = Actor(UUID(int=0), frozenset())
_UUID_CHARACTERS: Final = 36
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call[Body = None, Query = None]:
    """One admitted call. `user_id` is whose resource is meant; `actor` is who asks (nobody on public routes)."""

    app: Application
    actor: Actor
    user_id: UUID
    body: Body
    query: Query
    path: Mapping[str, str]
    headers: Mapping[str, str]
    idempotency_key: str | None
    prefer_wait_s: float
    request_id: str
    durable_client: df.DurableOrchestrationClient | None

    def id(self, name: str) -> UUID:
        """The id in the path. Raises NotFoundError: what is no id names nothing."""
        return _uuid(self.path[name])

    @property
    def sagas(self) -> OrderSagas:
        """The orchestration engine, on routes that use Durable."""
        assert self.durable_client is not None, "the route's row must say uses_durable"
        return self.app.order_sagas(self.durable_client)


type Handler[Body, Query] = Callable[[Call[Body, Query]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint[Body, Query]:
    """A handler behind its row of the route table; call it with a request as the worker does."""

    route: Route[Body, Query]
    handler: Handler[Body, Query]

    async def __call__(
        self, request: func.HttpRequest, client: df.DurableOrchestrationClient | None = None
    ) -> func.HttpResponse:
        """Serve one request. Never raises, except to be cancelled."""
        request_id = secrets.token_hex(12)
        begin_request(request_id)
        admission = _Admission(self.route, request)
        try:
            require_host(request.headers)
            call = await admission.admit(request_id, client)
            return respond(await self.handler(call), request_id, admission.rate_limit, admission.stream_sequence)
        except BrokerError as error:
            return self._refuse(await admission.counted(error), request, request_id, admission)
        except Exception:  # noqa: BLE001 - a defect: logged, and answered without its details
            _log.exception("unexpected error", route=self.route.name)
            return self._refuse(internal_error(), request, request_id, admission)

    def _refuse(
        self, error: BrokerError, request: func.HttpRequest, request_id: str, admission: "_Admission"
    ) -> func.HttpResponse:
        token_given = "authorization" in request.headers
        instance = called_path(self.route.path, request.route_params)
        limit, sequence = admission.rate_limit, admission.stream_sequence
        return refuse(error, instance, request_id, limit, sequence, token_given=token_given)


def endpoint[Body, Query](
    route: Route[Body, Query],
) -> Callable[[Handler[Body, Query]], Endpoint[Body, Query]]:
    """Put a handler behind a row of the route table."""

    def decorate(handler: Handler[Body, Query]) -> Endpoint[Body, Query]:
        return Endpoint(route, handler)

    return decorate


def blueprint_of(*endpoints: Endpoint[Any, Any]) -> df.Blueprint:
    """The blueprint that `function_app` registers: path, method and bindings from the routes."""
    blueprint = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)
    for each in endpoints:
        function = _with_durable(each) if each.route.uses_durable else _plain(each)
        function.__name__ = function.__qualname__ = each.route.name
        if each.route.uses_durable:
            function = blueprint.durable_client_input(client_name="client")(function)
        blueprint.route(route=each.route.path, methods=each.route.methods)(function)
    return blueprint


# The worker reads these signatures: parameters must have the bindings' names and types that it supports.
def _plain(served: Endpoint[Any, Any]) -> Any:
    async def serve(req: func.HttpRequest) -> func.HttpResponse:
        return await served(req)

    return serve


def _with_durable(served: Endpoint[Any, Any]) -> Any:
    async def serve(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        return await served(req, client)

    return serve


class _NoQuery(Query):
    """No parameter is known."""


class _Admission:
    """Everything between a request and its handler; `rate_limit` and `stream_sequence` are known once it is counted."""

    def __init__(self, route: Route[Any, Any], request: func.HttpRequest) -> None:
        self._route = route
        self._request = request
        self._caller: tuple[Application, Actor] | None = None
        self.rate_limit: RateLimit | None = None
        self.stream_sequence: int | None = None

    async def admit(self, request_id: str, client: df.DurableOrchestrationClient | None) -> Call[Any, Any]:
        """Raises BrokerError."""
        route, request = self._route, self._request
        headers = request.headers
        _require_method(route, request.route_params)
        app = await application()
        actor = _ANONYMOUS if route.public else await self._authenticated(app)
        idempotency_key = self._idempotency_key()
        if not route.public:
            _authorize(route, actor)
        query = self._query()
        call: Call[Any, Any] = Call(
            app=app,
            actor=actor,
            user_id=_owner(route, actor, request.route_params, query),
            body=self._body(),
            query=query,
            path=request.route_params,
            headers=headers,
            idempotency_key=idempotency_key,
            prefer_wait_s=read_prefer_wait(headers) if route.takes_prefer_wait else 0.0,
            request_id=request_id,
            durable_client=client,
        )
        if route.limited_by is LimitedBy.EDGE:
            # At the same time, because neither needs the other.
            self.rate_limit, self.stream_sequence = await asyncio.gather(
                app.limiter.spend(actor.user_id, route.limit_name), self._stream_sequence(call)
            )
        return call

    async def _stream_sequence(self, call: Call[Any, Any]) -> int | None:
        """Read before the handler reads anything; of the caller's own account alone."""
        if self._route.stream_sequence is StreamSequence.EDGE and call.user_id == call.actor.user_id:
            return await call.app.stream_positions.current(call.user_id)
        return None

    async def counted(self, error: BrokerError) -> BrokerError:
        """The refusal of a call; of one that its route has not counted, 429 once too many of them were refused."""
        if (
            self._caller is None
            or self.rate_limit is not None
            or isinstance(error, RetryLaterError | MissingHeaderError)
        ):
            return error
        app, actor = self._caller
        try:
            await app.limiter.refused(actor.user_id)
        except RateLimitedError as used_up:
            return used_up
        return error

    async def _authenticated(self, app: Application) -> Actor:
        actor = await app.identity.verify(_bearer_token(self._request.headers))
        self._caller = app, actor
        return actor

    def _query(self) -> BaseModel | None:
        # Clients add parameters of their own to public addresses (cache busters).
        if self._route.public:
            return None
        model: type[BaseModel] = self._route.query or _NoQuery
        return read_query(model, self._request.params)

    def _body(self) -> BaseModel | None:
        model: type[BaseModel] | None = self._route.body
        if model is None:
            return None
        return read_body(model, self._request.get_body(), self._request.headers, self._route.max_body_bytes)

    def _idempotency_key(self) -> str | None:
        wanted = self._route.idempotency_key
        if wanted is IdempotencyKey.NONE:
            return None
        return read_idempotency_key(self._request.headers, required=wanted is IdempotencyKey.REQUIRED)


def _require_method(route: Route[Any, Any], path: Mapping[str, str]) -> None:
    """A path of another row belongs to that row alone: GET orders/batch reads no order."""
    if route.name in SHADOWING and route.method not in (methods := methods_of(route.path.format_map(path))):
        raise MethodNotAllowedError(methods)


def _bearer_token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError("Send an access token: Authorization: Bearer <token>")
    return token.strip()


def _authorize(route: Route[Any, Any], actor: Actor) -> None:
    if not actor.roles & route.roles:
        raise ForbiddenError(f"This call needs one of the roles {', '.join(sorted(route.roles))}")
    if not actor.is_app and SCOPE not in actor.scopes:
        raise ForbiddenError(f"The token needs the scope {SCOPE}", {"scope": SCOPE})


def _owner(route: Route[Any, Any], actor: Actor, path: Mapping[str, str], query: BaseModel | None) -> UUID:
    """Whose resource the call names. Another user's does not exist for those who may not see it."""
    named = path.get("user_id") or getattr(query, "user_id", None) or "me"
    if named == "me":
        return actor.user_id
    user_id = _uuid(named)
    if user_id != actor.user_id and not actor.roles & route.others:
        raise _no_such_resource()
    return user_id


def _uuid(text: str) -> UUID:
    try:
        if len(text) == _UUID_CHARACTERS:
            return UUID(text)
    except ValueError:
        pass
    raise _no_such_resource()


def _no_such_resource() -> NotFoundError:
    return NotFoundError("There is no such resource, or your token gives no access to it")
