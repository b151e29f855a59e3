"""How a snapshot is kept: short enough to be reviewed, whole enough to notice every change."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from infra.compiler import SUBSCRIPTION

FOLDER: Final = Path(__file__).parent
_MOST_CHARACTERS: Final = 1_000
_ELSEWHERE: Final = {
    "Microsoft.ApiManagement/service/apis/operations",
    "Microsoft.ApiManagement/service/apis/policies",
}
"""On record as they are made from the route table: infra/bicep/policies."""


def written(expanded: dict[str, Any]) -> str:
    """One line a resource, by id: ids without the subscription, long texts as their hash."""
    lines = sorted(_line(resource) for resource in expanded["predictedResources"] if resource["type"] not in _ELSEWHERE)
    outputs = json.dumps({"outputs": _short(expanded["outputs"])}, sort_keys=True)
    return "\n".join([*lines, outputs]) + "\n"


def _line(resource: dict[str, Any]) -> str:
    rest = {name: value for name, value in resource.items() if name not in {"id", "name", "type"}}
    return json.dumps({"id": _short(resource["id"]), **_short(rest)}, sort_keys=False)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {_short(name): _short(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_short(each) for each in value]
    if not isinstance(value, str):
        return value
    if len(value) > _MOST_CHARACTERS:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()} ({len(value)} characters)"
    return value.replace(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/", "~/").replace(
        f"/subscriptions/{SUBSCRIPTION}", "~"
    )


def differences(kept: str, fresh: str) -> Iterator[str]:
    """What a change does, one line a property: `+` is added, `-` goes away, `~` has another value."""
    before, after = _by_id(kept), _by_id(fresh)
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"- {name}"
        elif name not in before:
            yield f"+ {name}"
        else:
            yield from (f"~ {name} {change}" for change in _changes(before[name], after[name], ""))


def _by_id(text: str) -> dict[str, Any]:
    rows = [json.loads(line) for line in text.splitlines()]
    return {row.get("id", "outputs"): row for row in rows}


def _changes(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _changes(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    else:
        yield f"{path}: {json.dumps(before)} -> {json.dumps(after)}"
