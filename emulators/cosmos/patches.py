"""Partial updates (https://learn.microsoft.com/azure/cosmos-db/partial-document-update).

Either every operation of a patch succeeds or nothing is changed.
"""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulators.cosmos.documents import SYSTEM_PROPERTIES, Document
from emulators.cosmos.errors import CosmosError, bad_request, precondition_failed
from emulators.cosmos.limits import MAX_PATCH_OPERATIONS
from emulators.cosmos.sql.budget import QueryTooCostlyError
from emulators.cosmos.sql.parser import ROOT, parse_condition
from emulators.cosmos.sql.program import compile_query
from emulators.cosmos.sql.syntax import QuerySyntaxError
from emulators.cosmos.values import UNDEFINED, Value, is_number, number

type Pointer = tuple[str, ...]

_INDEX = re.compile(r"0|[1-9]\d{0,8}")
_FIELDS = frozenset({"op", "path", "value", "from"})
_WITH_VALUE = ("add", "set", "replace", "incr")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: `source` is the path that `move` starts from."""

    operation: str
    path: Pointer
    value: Value
    source: Pointer


@dataclass(frozen=True, slots=True)
class Patch:
    """A condition, `from c where ...`, and the operations in their order."""

    condition: str | None
    steps: tuple[Step, ...]


def read_patch(body: Value, immutable: Sequence[Sequence[str]]) -> Patch:
    """The body of a patch; `immutable` are the paths of the partition key. Raises CosmosError."""
    if not isinstance(body, dict) or not isinstance(body.get("operations"), list):
        raise bad_request("A patch is an object with an array of operations.")
    condition, operations = body.get("condition"), body["operations"]
    if not 1 <= len(operations) <= MAX_PATCH_OPERATIONS:
        raise bad_request(f"A patch has 1 to {MAX_PATCH_OPERATIONS} operations.")
    if condition is not None and not isinstance(condition, str):
        raise bad_request("The condition of a patch must be a string.")
    steps = tuple(map(_read_step, operations))
    for step in steps:
        for path in (step.path, step.source):
            _check_mutable(path, immutable)
    return Patch(condition, steps)


def apply_patch(patch: Patch, document: Document) -> Document:
    """A changed copy of the document. Raises CosmosError."""
    if patch.condition is not None and not _holds(patch.condition, document):
        raise precondition_failed()
    changed = copy.deepcopy(document)
    for step in patch.steps:
        _OPERATIONS[step.operation](changed, step)
    return changed


def _read_step(step: Value) -> Step:
    if not isinstance(step, dict) or not step.keys() <= _FIELDS:
        raise bad_request("An operation of a patch has 'op', 'path', 'value' and 'from'.")
    operation = step.get("op")
    if not isinstance(operation, str) or operation.lower() not in _OPERATIONS:
        raise bad_request(f"The patch operation {str(operation)[:50]!r} is not supported.")
    operation = operation.lower()
    if operation in _WITH_VALUE and "value" not in step:
        raise bad_request(f"The patch operation '{operation}' needs a value.")
    if operation == "incr" and not is_number(step["value"]):
        raise bad_request("The patch operation 'incr' needs a number.")
    source = _pointer(step.get("from")) if operation == "move" else ()
    return Step(operation, _pointer(step.get("path")), step.get("value"), source)


def _pointer(path: Value) -> Pointer:
    if not isinstance(path, str) or not path.startswith("/") or len(path) > 1024:
        raise bad_request(f"The patch path {str(path)[:100]!r} does not begin with '/'.")
    return tuple(member.replace("~1", "/").replace("~0", "~") for member in path[1:].split("/"))


def _check_mutable(path: Pointer, immutable: Sequence[Sequence[str]]) -> None:
    if path[:1] in (("id",), *((name,) for name in SYSTEM_PROPERTIES)):
        raise bad_request(f"A patch cannot change '{path[0]}'.")
    for key in immutable:
        shorter = min(len(key), len(path))
        if path and tuple(key[:shorter]) == path[:shorter]:
            raise bad_request("A patch cannot change the partition key.")


def _holds(condition: str, document: Document) -> bool:
    try:
        program = compile_query(parse_condition(condition), {})
        return any(True for _ in program.rows({ROOT: document}))
    except (QuerySyntaxError, QueryTooCostlyError) as error:
        raise bad_request(f"The condition of the patch cannot be used: {error}") from error


# --- operations -------------------------------------------------------------------------------------------------------


def _parent(document: Value, path: Pointer) -> Value:
    """The object or array that holds the path's last member. Raises CosmosError."""
    for name in path[:-1]:
        document = _child(document, name)
        if document is UNDEFINED:
            raise _missing(path)
    if not isinstance(document, dict | list):
        raise _missing(path)
    return document


def _child(holder: Value, name: str) -> Value:
    if isinstance(holder, dict):
        return holder.get(name, UNDEFINED)
    if isinstance(holder, list) and _INDEX.fullmatch(name) and int(name) < len(holder):
        return holder[int(name)]
    return UNDEFINED


def _missing(path: Pointer) -> CosmosError:
    return bad_request(f"The target of the patch path '/{'/'.join(path)[:200]}' does not exist.")


def _index(holder: list[Value], name: str, path: Pointer, *, most: int) -> int:
    if name == "-":
        return len(holder)
    if not _INDEX.fullmatch(name) or int(name) > most:
        raise _missing(path)
    return int(name)


def _add(document: Document, step: Step) -> None:
    """Into an array it inserts; `-` appends."""
    holder, name = _parent(document, step.path), step.path[-1]
    if isinstance(holder, list):
        holder.insert(_index(holder, name, step.path, most=len(holder)), step.value)
    else:
        holder[name] = step.value


def _set(document: Document, step: Step) -> None:
    """In an array it replaces; behind its end it appends."""
    holder, name = _parent(document, step.path), step.path[-1]
    if isinstance(holder, list):
        place = _index(holder, name, step.path, most=len(holder))
        holder[place : place + 1] = [step.value]
    else:
        holder[name] = step.value


def _replace(document: Document, step: Step) -> None:
    if _child(_parent(document, step.path), step.path[-1]) is UNDEFINED:
        raise _missing(step.path)
    _set(document, step)


def _remove(document: Document, step: Step) -> None:
    _taken(document, step.path)


def _taken(document: Document, path: Pointer) -> Value:
    holder, name = _parent(document, path), path[-1]
    if _child(holder, name) is UNDEFINED:
        raise _missing(path)
    return holder.pop(int(name) if isinstance(holder, list) else name)


def _increment(document: Document, step: Step) -> None:
    """A member that is missing is made."""
    holder, name = _parent(document, step.path), step.path[-1]
    present = _child(holder, name)
    if present is UNDEFINED:
        _add(document, step)
        return
    if not is_number(present):
        raise bad_request("The patch operation 'incr' needs a number to add to.")
    total = number(present + step.value)
    if total is UNDEFINED:
        raise bad_request("The patch operation 'incr' gives no finite number.")
    holder[int(name) if isinstance(holder, list) else name] = total


def _move(document: Document, step: Step) -> None:
    if step.path[: len(step.source)] == step.source and step.path != step.source:
        raise bad_request("A patch cannot move a value into itself.")
    value = _taken(document, step.source)
    _add(document, Step("add", step.path, value, ()))


_OPERATIONS: dict[str, Callable[[Document, Step], None]] = {
    "add": _add,
    "set": _set,
    "replace": _replace,
    "remove": _remove,
    "incr": _increment,
    "move": _move,
}
