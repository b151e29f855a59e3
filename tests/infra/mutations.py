"""Faults that people make, each with the rule that must find it.

A mutation changes the resources of an environment as a wrong template would.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from infra.rules.catalogue import CATALOGUE
from infra.rules.snapshot import Snapshot

type Change = Callable[[list[dict[str, Any]]], None]
GONE: Any = object()
"""The property is taken away."""


@dataclass(frozen=True)
class Mutation:
    """`change` breaks `rule` in `environment`."""

    rule: str
    what: str
    change: Change
    environment: str = "prod"


def mutated(snapshot: Snapshot, change: Change) -> Snapshot:
    """A copy with the change."""
    resources = [deepcopy(resource.raw) for resource in snapshot.resources]
    change(resources)
    expanded = {"predictedResources": resources, "outputs": snapshot.outputs, "diagnostics": snapshot.diagnostics}
    return Snapshot(snapshot.environment, expanded)


def put(kind: str, path: str, value: Any, *, named: str = "") -> Change:
    """Give the last resource of a type, or the one whose id contains `named`, another value at a path."""

    def change(resources: list[dict[str, Any]]) -> None:
        target: Any = _last(resources, kind, named)
        *parents, name = path.split(".")
        for part in parents:
            target = target[int(part)] if part.isdigit() else target.setdefault(part, {})
        key: Any = int(name) if name.isdigit() else name
        if value is GONE:
            del target[key]
        else:
            target[key] = value

    return change


def drop(kind: str, *, named: str = "") -> Change:
    """Leave the last resource of a type, or the one whose id contains `named`, out."""

    def change(resources: list[dict[str, Any]]) -> None:
        resources.remove(_last(resources, kind, named))

    return change


def copy(kind: str, path: str, *, named: str, other: str) -> Change:
    """Give the resource whose id contains `named` the value that the one with `other` has."""

    def change(resources: list[dict[str, Any]]) -> None:
        value: Any = _last(resources, kind, other)
        for part in path.split("."):
            value = value[part]
        put(kind, path, deepcopy(value), named=named)(resources)

    return change


def swap(kind: str, path: str, found: str, instead: str, *, named: str = "") -> Change:
    """Write `instead` for `found` in the text at a path."""

    def change(resources: list[dict[str, Any]]) -> None:
        text: Any = _last(resources, kind, named)
        for part in path.split("."):
            text = text[part]
        assert found in text
        put(kind, path, text.replace(found, instead), named=named)(resources)

    return change


def add(resource: dict[str, Any]) -> Change:
    """One more resource."""
    return lambda resources: resources.append({"name": "x", "apiVersion": "2026-01-01", **resource})


def _last(resources: list[dict[str, Any]], kind: str, named: str) -> dict[str, Any]:
    return [each for each in resources if each["type"] == kind and named in each["id"]][-1]


def of_the_catalogue() -> Iterator[Mutation]:
    """Every property that the catalogue asks for, turned the other way; every endpoint, lock and setting left out."""
    rules = {
        "local_auth": "keys_and_passwords_are_off",
        "tls": "traffic_is_encrypted_with_tls_1_2",
        "public": "private_environments_have_no_public_way_in",
        "zones": "services_are_spread_over_zones",
    }
    for kind, facts in CATALOGUE.items():
        for field, rule in rules.items():
            for path, value in getattr(facts, field):
                wrong = not value if isinstance(value, bool) else "Enabled" if value == "Disabled" else "wrong"
                yield Mutation(rule, f"{kind} {path} {wrong}", put(kind, f"properties.{path}", wrong))
                yield Mutation(rule, f"{kind} {path} left out", put(kind, f"properties.{path}", GONE))
        if facts.logs or facts.metrics:
            yield Mutation("every_service_sends_its_diagnostics", f"{kind} without", _without_diagnostics(kind))
        if facts.holds:
            yield Mutation(
                "what_holds_data_is_locked", f"{kind} unlocked", drop_about(kind, "Microsoft.Authorization/locks")
            )
        for group in facts.links:
            yield Mutation(
                "private_services_have_their_private_endpoints", f"{kind} {group}", _without_endpoint(kind, group)
            )


def drop_about(kind: str, extension: str) -> Change:
    """Leave out what is about the last resource of a type."""

    def change(resources: list[dict[str, Any]]) -> None:
        scope = f"{_last(resources, kind, '')['id']}/providers/{extension}/"
        resources[:] = [each for each in resources if not each["id"].startswith(scope)]

    return change


def _without_diagnostics(kind: str) -> Change:
    return drop_about(kind, "Microsoft.Insights/diagnosticSettings")


def _without_endpoint(kind: str, group: str) -> Change:
    def change(resources: list[dict[str, Any]]) -> None:
        target = _last(resources, kind, "")["id"]
        resources[:] = [
            each
            for each in resources
            if each["type"] != "Microsoft.Network/privateEndpoints"
            or (target, [group])
            not in [
                (link["properties"]["privateLinkServiceId"], link["properties"]["groupIds"])
                for link in each["properties"]["privateLinkServiceConnections"]
            ]
        ]

    return change
