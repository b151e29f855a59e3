"""The OpenAPI 3.1 document: the route table and the contracts, written down for clients."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.contracts.common import InstrumentId, UserRef
from shared.contracts.problems import PROBLEM_JSON, Problem, documented_statuses
from shared.contracts.routes import ROUTES, documentation
from shared.contracts.routes.route import SCOPE, IdempotencyKey, LimitedBy, Route, StreamSequence
from shared.json_values import Json

type AnyRoute = Route[Any, Any]
type _Mode = Literal["validation", "serialization"]
type _Schemas = Mapping[Any, Json]
"""By (model, mode), as pydantic gives them."""

_REF: Final = "#/components/schemas/{model}"
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PAGE_NAME: Final = re.compile(r"Page\[(\w+?)(?:View)?\]")
_PATH_SCHEMAS: Final[Mapping[str, Json]] = {
    "user_id": TypeAdapter(UserRef).json_schema(),
    "instrument_id": TypeAdapter(InstrumentId).json_schema(),
    "shard": {"type": "string", "pattern": "^s[0-9]{3,6}$", "description": "From GET /api/marketdata/snapshots"},
    "asset": {"type": "string", "enum": list(documentation.ASSETS)},
}
_HEADERS: Final[Json] = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "Name it to support"},
    "RateLimit-Limit": {"schema": {"type": "integer"}, "description": "Calls per sliding minute"},
    "RateLimit-Remaining": {"schema": {"type": "integer"}, "description": "Calls left now"},
    "RateLimit-Reset": {"schema": {"type": "integer"}, "description": "Seconds until calls come back"},
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "Limit and window in seconds"},
    "X-Stream-Sequence": {
        "schema": {"type": "integer"},
        "description": "The sequence of your newest change: the answer shows at least every change up to it",
    },
    "ETag": {"schema": {"type": "string"}, "description": "Of this content, whatever process answers it"},
    "Cache-Control": {"schema": {"type": "string"}, "description": "How long the answer may be kept"},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"},
    "WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750"},
}
_RATE_LIMIT_HEADERS: Final = tuple(name for name in _HEADERS if name.startswith("RateLimit"))
_ERROR_HEADERS: Final = {401: ("WWW-Authenticate",), 429: ("Retry-After", *_RATE_LIMIT_HEADERS), 503: ("Retry-After",)}
_IDEMPOTENCY_KEY: Final = (
    "At most 255 characters of printable ASCII; with a comma, as a string of RFC 9651, which is in double quotes. "
    "The same key and body get the stored answer again, marked `Idempotency-Replayed: true`, for 7 days; the same key "
    "with another body gets 422."
)
_KEY_PATTERN: Final = r'^([!#-+\--~]([ -+\--~]{0,253}[!-+\--~])?|"([ !#-\[\]-~]|\\["\\]){1,255}")$'
_LONGEST_KEY: Final = 2 + 2 * 255
_IF_NONE_MATCH: Final = "`ETag` of the answer that you have: 304 without a body while it is still the same"
_JSON: Final = "application/json"
_NOT_MODIFIED: Final = 304
_PREFER: Final = "`wait=N`: answer once the exchange has answered, or after N seconds (at most 10)"


class _Names(GenerateJsonSchema):
    """Calls a page of `OrderView` `OrderPage`."""

    def normalize_name(self, name: str) -> str:
        page = _PAGE_NAME.fullmatch(name)
        return f"{page[1]}Page" if page else super().normalize_name(name)


@cache
def document() -> Json:
    """The whole document; the same object at every call, so don't change it."""
    models: list[Any] = sorted(set(_models()), key=_model_name)
    schemas, definitions = models_json_schema(models, ref_template=_REF, schema_generator=_Names)
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Broker API",
            "version": "1",
            "description": "Money and prices are decimal strings in rupees, quantities integers, times RFC 3339 in "
            "UTC. Unknown fields are refused. Every error is a Problem.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": noun} for noun in dict.fromkeys(route.noun for route in ROUTES)],
        "paths": paths,
        "components": {
            "schemas": _without_queries(definitions["$defs"]),
            "responses": {f"Problem{status}": _problem(status) for status in documented_statuses()},
            "headers": _HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def error_statuses(route: AnyRoute) -> list[int]:
    """Every error status that the route may answer with."""
    statuses = {500, 503, *route.errors}
    if not route.public:
        statuses |= {400, 401, 403}
    if "{" in route.path:
        statuses.add(404)
    if route.others:
        statuses.add(404)
    if route.limited_by is not LimitedBy.NOBODY:
        statuses.add(429)
    if route.body is not None:
        statuses |= {413, 415}
    return sorted(statuses - route.answers.keys())


def _models() -> Iterator[tuple[type[BaseModel], _Mode]]:
    yield Problem, "serialization"
    for route in ROUTES:
        for model in (route.body, route.query):
            if model is not None:
                yield model, "validation"
        for answer in route.answers.values():
            if answer is not None:
                yield answer, "serialization"


def _without_queries(definitions: Json) -> Json:
    """Queries are listed as parameters; only the types of their fields are schemas."""
    queries = {route.query.__name__ for route in ROUTES if route.query is not None}
    return {name: schema for name, schema in definitions.items() if name not in queries}


def _model_name(entry: tuple[type[BaseModel], _Mode]) -> str:
    return entry[0].__name__


def _operation(route: AnyRoute, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.noun],
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas), *_header_parameters(route)],
        "responses": {
            **{str(status): _answer(route, status, model, schemas) for status, model in route.answers.items()},
            **{str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in error_statuses(route)},
        },
        "security": [] if route.public else [{"bearer": []}],
    }
    if not route.public:
        operation["description"] = _who(route)
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _who(route: AnyRoute) -> str:
    text = f"Roles: {', '.join(sorted(route.roles))}. Scope of a person's token: {SCOPE}."
    if route.others:
        text += f" Other users' resources: {', '.join(sorted(route.others))}."
    return text + (" Needs an active KYC." if route.needs_kyc else "")


def _path_parameters(route: AnyRoute) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _PATH_SCHEMAS.get(name, {"type": "string", "format": "uuid"}),
        }
        for name in _PATH_PARAMETER.findall(route.path)
    ]


def _query_parameters(route: AnyRoute, schemas: _Schemas) -> list[Json]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REF)
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(each)}
        for name, each in schema.get("properties", {}).items()
    ]


def _without_null(schema: Json) -> Json:
    """A query has no null: a parameter is left out."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if not kinds:
        return schema
    only: Json = kinds[0]
    return only | {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}


def _header_parameters(route: AnyRoute) -> list[Json]:
    parameters = []
    if route.idempotency_key is not IdempotencyKey.NONE:
        required = route.idempotency_key is IdempotencyKey.REQUIRED
        parameters.append(_header("Idempotency-Key", _IDEMPOTENCY_KEY, required=required, pattern=_KEY_PATTERN))
    if route.takes_prefer_wait:
        parameters.append(_header("Prefer", _PREFER, required=False))
    if route.revalidated:
        parameters.append(_header("If-None-Match", _IF_NONE_MATCH, required=False) | {"schema": {"type": "string"}})
    return parameters


def _header(name: str, description: str, *, required: bool, pattern: str | None = None) -> Json:
    schema: Json = {"type": "string", "maxLength": _LONGEST_KEY} | ({} if pattern is None else {"pattern": pattern})
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _answer(route: AnyRoute, status: int, model: type[BaseModel] | None, schemas: _Schemas) -> Json:
    limited = () if route.limited_by is LimitedBy.NOBODY else _RATE_LIMIT_HEADERS
    streamed = () if route.stream_sequence is StreamSequence.NONE else ("X-Stream-Sequence",)
    kept = ("ETag", "Cache-Control") if route.revalidated else ()
    described: Json = {
        "description": route.summary,
        "headers": _header_refs(("X-Request-Id", *limited, *streamed, *kept)),
    }
    if status == _NOT_MODIFIED:
        return described | {"description": "The answer that you have is still the same"}
    schema = {} if model is None else schemas[model, "serialization"]
    content = {
        content_type: {"schema": schema if content_type == _JSON else {}} for content_type in route.content_types
    }
    return described | {"content": content}


def _problem(status: int) -> Json:
    codes = ", ".join(code.value for code in documented_statuses()[status])
    return {
        "description": codes,
        "headers": _header_refs(("X-Request-Id", *_ERROR_HEADERS.get(status, ()))),
        "content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}},
    }


def _header_refs(names: tuple[str, ...]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
