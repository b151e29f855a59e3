"""One request and its answer, as the handlers see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import orjson

from emulators.cosmos import charges
from emulators.cosmos.catalog import Container
from emulators.cosmos.documents import Document, read_object
from emulators.cosmos.errors import bad_request
from emulators.cosmos.limits import MAX_PAGE_ITEMS
from emulators.cosmos.partitions import Key, parse_key

_DEFAULT_PAGE_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Request:
    """`segments` are those of the path, percent-decoded; names of `headers` have no case."""

    method: str
    segments: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    host: str

    @classmethod
    def segments_of(cls, raw_path: str) -> tuple[str, ...]:
        """The path's segments; split first, so that an id may hold an encoded slash. Raises CosmosError."""
        try:
            return tuple(unquote(one, errors="strict") for one in raw_path.split("?", maxsplit=1)[0].split("/") if one)
        except UnicodeDecodeError as error:
            raise bad_request("The path is not valid UTF-8.") from error

    def header(self, name: str) -> str | None:
        """None when it is missing or empty."""
        return self.headers.get(name) or None

    def flag(self, name: str) -> bool:
        """Whether a header says true."""
        return self.headers.get(name, "").lower() == "true"

    def object(self) -> Document:
        """The body. Raises CosmosError."""
        return read_object(self.body)

    @property
    def key(self) -> Key | None:
        """The values of the partition key header. Raises CosmosError."""
        given = self.header("x-ms-documentdb-partitionkey")
        return None if given is None else parse_key(given)

    @property
    def page_items(self) -> int:
        """How many results are wanted at once. Raises CosmosError."""
        given = self.header("x-ms-max-item-count") or str(_DEFAULT_PAGE_ITEMS)
        if given == "-1":
            return MAX_PAGE_ITEMS
        if not (given.isascii() and given.isdigit() and int(given[:10]) > 0):
            raise bad_request("x-ms-max-item-count must be a positive number, or -1.")
        return min(int(given[:10]), MAX_PAGE_ITEMS)


@dataclass(slots=True)
class Answer:
    """A response; its headers get what every response has."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    charge: float = charges.METADATA


def answer_object(view: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """One resource, with its version as a header."""
    versions = {"etag": view["_etag"]} if "_etag" in view else {}
    return Answer(status, orjson.dumps(view), {**versions, **(headers or {})})


def answer_feed(rid: str, name: str, rows: Sequence[bytes], **extra: Any) -> Answer:
    """A list of resources in JSON, under the name that this kind of list has."""
    head = orjson.dumps({"_rid": rid})[:-1]
    body = b'%s,%s:[%s],"_count":%d}' % (head, orjson.dumps(name), b",".join(rows), len(rows))
    return Answer(200, body, {"x-ms-item-count": str(len(rows))}, **extra)


def views(rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Resources as JSON."""
    return [orjson.dumps(row) for row in rows]


def session_headers(container: Container, range_number: int, lsn: int) -> dict[str, str]:
    """What a client keeps in order to read its own writes."""
    return {
        "x-ms-session-token": f"{range_number}:-1#{lsn}",
        "x-ms-alt-content-path": quote(container.path),
        "x-ms-content-path": container.rid,
        "lsn": str(lsn),
    }
