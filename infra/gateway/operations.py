"""Operations of API Management: one for each method of each route, and those that take whatever no route takes.

A path or method that no route knows goes to the app too: it alone can say which methods a path takes.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from shared.contracts.routes.route import Route

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Operation:
    """A call as API Management names it; the fields are those of the Bicep type in `modules/api.bicep`."""

    name: str
    displayName: str  # noqa: N815 - the name of the property in Azure
    method: str
    urlTemplate: str  # noqa: N815 - the name of the property in Azure
    parameters: tuple[str, ...]


def names_of(route: Route[Any, Any]) -> tuple[str, ...]:
    """The operations of a route: reading has one for HEAD beside its own."""
    name = route.name.replace("_", "-")
    return tuple(name if method == route.method else f"{name}-{method.lower()}" for method in route.methods)


def operations(routes: Iterable[Route[Any, Any]]) -> Iterator[Operation]:
    """All operations, in the order of the routes."""
    for route in routes:
        parameters = tuple(_PARAMETER.findall(route.path))
        for name, method in zip(names_of(route), route.methods, strict=True):
            yield Operation(name, route.summary, method, f"/{route.path}", parameters)
    for method in METHODS:
        yield Operation(f"unknown-{method.lower()}", f"What no route takes: {method}", method, "/*", ())


def operations_json(routes: Iterable[Route[Any, Any]]) -> str:
    """The file that `region.bicep` loads."""
    return json.dumps([asdict(each) for each in operations(routes)], indent=2) + "\n"
