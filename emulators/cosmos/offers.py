"""Throughput of databases and containers: kept, without effect.

Reference: https://learn.microsoft.com/rest/api/cosmos-db/offers
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from emulators.cosmos.documents import Document
from emulators.cosmos.errors import bad_request

DEFAULT_THROUGHPUT = 400
_MAX_THROUGHPUT = 1_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """Request units a second of one resource. `rid` is in lower case, because signatures are made over such ids."""

    rid: str
    resource: str
    resource_rid: str
    throughput: int
    etag: str
    changed_at: int

    @property
    def view(self) -> Document:
        """As clients read it."""
        return {
            "resource": self.resource,
            "offerType": "Invalid",
            "offerResourceId": self.resource_rid,
            "offerVersion": "V2",
            "content": {"offerThroughput": self.throughput, "offerIsRUPerMinuteThroughputEnabled": False},
            "id": self.rid,
            "_rid": self.rid,
            "_self": f"offers/{self.rid}/",
            "_etag": self.etag,
            "_ts": self.changed_at,
        }


def asked_throughput(headers: Mapping[str, str]) -> int | None:
    """What a request that creates something asks for; the greatest where it may vary. Raises CosmosError."""
    given, scaled = headers.get("x-ms-offer-throughput"), headers.get("x-ms-cosmos-offer-autopilot-settings")
    if given and scaled:
        raise bad_request("Throughput is either given or scaled automatically.")
    if scaled:
        try:
            settings = orjson.loads(scaled)
        except orjson.JSONDecodeError as error:
            raise bad_request("The settings of automatic throughput are not JSON.") from error
        return read_throughput(settings.get("maxThroughput") if isinstance(settings, dict) else None)
    return read_throughput(given) if given else None


def read_throughput(value: object) -> int:
    """Request units a second. Raises CosmosError."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and DEFAULT_THROUGHPUT <= int(text[:9]) <= _MAX_THROUGHPUT):
        raise bad_request(f"The offer must have {DEFAULT_THROUGHPUT} to {_MAX_THROUGHPUT} request units a second.")
    return int(text)
