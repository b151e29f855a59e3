"""The resources of an environment, as rules ask for them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

_ID: Final = re.compile(r"/subscriptions/[0-9a-f-]{36}(?:/[\w.\-$]+)*")
_REFERENCE: Final = re.compile(r"reference\('([^']+)'[^)]*\)(?:\.identity)?\.(principalId|clientId)")
_NOTHING: Final[dict[str, Any]] = {}


@dataclass(frozen=True)
class Resource:
    """One resource of the snapshot; `raw` is as the compiler wrote it."""

    raw: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def type(self) -> str:
        return str(self.raw["type"])

    @property
    def name(self) -> str:
        """Its own name, without its parents'."""
        return self.id.rsplit("/", 1)[1]

    @property
    def group(self) -> str:
        """Its resource group."""
        return self.id.split("/")[4]

    @property
    def location(self) -> str:
        return str(self.raw.get("location", ""))

    @property
    def properties(self) -> dict[str, Any]:
        return self.raw.get("properties") or _NOTHING

    @property
    def scope(self) -> str:
        """What a role assignment, lock or diagnostic setting is about."""
        return self.id.rpartition("/providers/")[0]

    @property
    def parent(self) -> str:
        """Id of the resource that it is a part of."""
        return self.id.rsplit("/", 2)[0]

    def get(self, path: str) -> Any:
        """The value at a path such as `properties.network.publicNetworkAccess`; None where there is none."""
        value: Any = self.raw
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def __str__(self) -> str:
        return f"{self.type} {self.id.partition('/resourceGroups/')[2] or self.name}"


@dataclass(frozen=True)
class Expected:
    """What an environment promises, whatever its parameters say."""

    private: bool
    zone_redundant: bool
    protected: bool


EXPECTED: Final = {
    "dev": Expected(private=False, zone_redundant=False, protected=False),
    "test": Expected(private=True, zone_redundant=False, protected=False),
    "prod": Expected(private=True, zone_redundant=True, protected=True),
}


class Snapshot:
    """All resources of one environment."""

    def __init__(self, environment: str, expanded: dict[str, Any]) -> None:
        self.environment = environment
        self.expected = EXPECTED[environment]
        self.outputs = expanded["outputs"]
        self.diagnostics = expanded["diagnostics"]
        self.resources = [Resource(raw) for raw in expanded["predictedResources"]]

    @cached_property
    def by_id(self) -> dict[str, Resource]:
        return {resource.id.lower(): resource for resource in self.resources}

    def of(self, *types: str) -> list[Resource]:
        """Every resource of these types."""
        return [resource for resource in self.resources if resource.type in types]

    def parts(self, parent: Resource, kind: str) -> list[Resource]:
        """Its children of a type, such as `queues`."""
        return [each for each in self.of(f"{parent.type}/{kind}") if each.parent == parent.id]

    def about(self, resource: Resource, kind: str) -> list[Resource]:
        """Extension resources of a type that are about it alone, such as locks."""
        return [each for each in self.of(kind) if each.scope == resource.id]

    def find(self, resource_id: object) -> Resource | None:
        """The resource with this id."""
        return self.by_id.get(str(resource_id).lower())

    def holder(self, expression: object) -> Resource | None:
        """The identity whose principal or client id an expression asks for."""
        found = _REFERENCE.search(str(expression))
        return self.find(found[1]) if found else None

    def subnets(self) -> dict[str, dict[str, Any]]:
        """Properties of every subnet by its id in lower case."""
        return {
            f"{network.id}/subnets/{subnet['name']}".lower(): subnet["properties"]
            for network in self.of("Microsoft.Network/virtualNetworks")
            for subnet in network.properties["subnets"]
        }

    def settings(self, site: Resource) -> dict[str, str]:
        """App settings of a function app."""
        return {
            name: value
            for config in self.parts(site, "config")
            if config.name == "appsettings"
            for name, value in config.properties.items()
        }

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Locations of its resource groups, the first one first."""
        return tuple(dict.fromkeys(group.location for group in self.of("Microsoft.Resources/resourceGroups")))

    def cells(self) -> list[str]:
        """Resource groups of cells."""
        return [group.name for group in self.of("Microsoft.Resources/resourceGroups") if group.get("tags.cell")]


def ids_in(value: object) -> Iterator[str]:
    """Every resource id that a value names, in expressions too."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from ids_in(name)
            yield from ids_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from ids_in(each)
    elif isinstance(value, str):
        yield from _ID.findall(value)
