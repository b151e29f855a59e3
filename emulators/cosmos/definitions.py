"""What a container is declared to be (https://learn.microsoft.com/rest/api/cosmos-db/create-a-collection).

What has no effect here is refused, so that nobody relies on it; the indexing policy is kept, and decides which queries
may sort by several properties.
"""

from dataclasses import dataclass
from typing import Any

from emulators.cosmos.documents import Document
from emulators.cosmos.errors import CosmosError, bad_request
from emulators.cosmos.limits import MAX_NAME_CHARACTERS, MAX_TTL_S, MAX_UNIQUE_KEYS, MAX_UNIQUE_PATHS
from emulators.cosmos.values import Value

type Path = tuple[str, ...]

_DEFAULT_INDEXING: dict[str, Any] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}
_DEFAULT_CONFLICTS = {"mode": "LastWriterWins", "conflictResolutionPath": "/_ts", "conflictResolutionProcedure": ""}
_KEPT = ("indexingPolicy", "defaultTtl", "uniqueKeyPolicy", "conflictResolutionPolicy", "geospatialConfig")
_REFUSED = (
    "analyticalStorageTtl",
    "changeFeedPolicy",
    "clientEncryptionPolicy",
    "computedProperties",
    "fullTextPolicy",
    "materializedViewDefinition",
    "vectorEmbeddingPolicy",
)
_NOT_IN_NAMES = frozenset("/\\?#\0")


@dataclass(frozen=True, slots=True)
class Definition:
    """A container's declaration. `ttl_s` None: nothing expires; -1: only items that say so."""

    key_paths: tuple[Path, ...]
    hierarchical: bool
    unique_keys: tuple[tuple[Path, ...], ...]
    ttl_s: int | None
    composite: tuple[tuple[tuple[Path, bool], ...], ...]
    """Composite indexes: paths, each with whether it descends."""

    @classmethod
    def of(cls, view: Document) -> "Definition":
        """What the properties of a container say. Raises CosmosError."""
        key = view["partitionKey"]
        indexing = view.get("indexingPolicy") or {}
        unique = view.get("uniqueKeyPolicy") or {}
        return cls(
            key_paths=tuple(map(parse_path, key["paths"])),
            hierarchical=key["kind"] == "MultiHash",
            unique_keys=tuple(tuple(map(parse_path, one["paths"])) for one in unique.get("uniqueKeys") or ()),
            ttl_s=view.get("defaultTtl"),
            composite=tuple(_composite(one) for one in indexing.get("compositeIndexes") or ()),
        )


def check_name(value: Value) -> str:
    """The name of a database or container. Raises CosmosError."""
    if not isinstance(value, str) or not value or len(value) > MAX_NAME_CHARACTERS:
        raise bad_request(f"The resource name must have 1 to {MAX_NAME_CHARACTERS} characters.")
    if _NOT_IN_NAMES.intersection(value) or value.endswith(" "):
        raise bad_request("The resource name contains '/', '\\', '?', '#' or NUL, or ends with a space.")
    return value


def declared(body: Document) -> Document:
    """The properties of a new container, with the service's defaults. Raises CosmosError."""
    view: Document = {
        "id": check_name(body.get("id")),
        "partitionKey": _partition_key(body.get("partitionKey")),
        "indexingPolicy": dict(_DEFAULT_INDEXING),
        "conflictResolutionPolicy": dict(_DEFAULT_CONFLICTS),
        "geospatialConfig": {"type": "Geography"},
    }
    refused = [name for name in _REFUSED if body.get(name)]
    if refused:
        raise CosmosError(501, f"The emulator does not support '{refused[0]}' of containers.")
    view.update({name: body[name] for name in _KEPT if body.get(name) is not None})
    _check(view)
    return view


def replaced(view: Document, body: Document) -> Document:
    """The properties of a container after a replacement. Raises CosmosError for what cannot change."""
    wanted = declared(body)
    for name in ("id", "partitionKey", "uniqueKeyPolicy"):
        if wanted.get(name) != view.get(name):
            raise bad_request(f"'{name}' of a container cannot be changed.")
    return wanted


def parse_path(path: Value) -> Path:
    """The members of `/a/"b c"/d`. Raises CosmosError."""
    if not isinstance(path, str) or not path.startswith("/") or len(path) > 1024:
        raise bad_request(f"The path {str(path)[:100]!r} does not begin with '/'.")
    members, at = [], 1
    while at < len(path):
        if path[at] == '"':
            end = path.find('"', at + 1)
            name, at = path[at + 1 : end], end + 2
        else:
            end = path.find("/", at)
            name, at = (path[at:], len(path)) if end < 0 else (path[at:end], end + 1)
        members.append(name)
    if not all(members) or not members or path.endswith("/"):
        raise bad_request(f"The path {path[:100]!r} is invalid.")
    return tuple(members)


def _partition_key(value: Value) -> Document:
    if not isinstance(value, dict) or not isinstance(value.get("paths"), list):
        raise bad_request("The partition key must have paths.")
    paths, kind = value["paths"], value.get("kind", "Hash")
    most = {"Hash": 1, "MultiHash": 3}.get(kind, 0) if isinstance(kind, str) else 0
    if not 1 <= len(paths) <= most:
        raise bad_request("A partition key has one path (kind Hash), or up to three (kind MultiHash).")
    for path in paths:
        parse_path(path)
    version = value.get("version", 2)
    if version != 2:
        raise CosmosError(501, "The emulator supports version 2 of partition keys only.")
    return {"paths": paths, "kind": kind, "version": 2}


def _check(view: Document) -> None:
    ttl = view.get("defaultTtl")
    if ttl is not None and ttl != -1 and not (type(ttl) is int and 0 < ttl <= MAX_TTL_S):
        raise bad_request("The default time to live must be -1 or a positive integer.")
    indexing, unique = view["indexingPolicy"], view.get("uniqueKeyPolicy", {})
    if not isinstance(indexing, dict) or not isinstance(unique, dict):
        raise bad_request("A policy must be a JSON object.")
    keys = unique.get("uniqueKeys") or []
    if not isinstance(keys, list) or len(keys) > MAX_UNIQUE_KEYS:
        raise bad_request(f"A container has at most {MAX_UNIQUE_KEYS} unique keys.")
    for one in keys:
        paths = one.get("paths") if isinstance(one, dict) else None
        if not isinstance(paths, list) or not 1 <= len(paths) <= MAX_UNIQUE_PATHS:
            raise bad_request(f"A unique key has 1 to {MAX_UNIQUE_PATHS} paths.")
    composite = indexing.get("compositeIndexes") or []
    if not isinstance(composite, list) or not all(isinstance(one, list) and len(one) > 1 for one in composite):
        raise bad_request("A composite index has two paths or more.")
    Definition.of(view)


def _composite(index: list[Any]) -> tuple[tuple[Path, bool], ...]:
    if not all(isinstance(one, dict) for one in index):
        raise bad_request("A composite index has two paths or more.")
    return tuple((parse_path(one.get("path")), one.get("order", "ascending") == "descending") for one in index)
