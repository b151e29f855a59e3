"""What an orchestrator turn returned: the SDK's JSON as values.

Purpose: the SDK answers every turn with all actions since the beginning; a failed turn carries the same
JSON behind a marker inside the exception's text.
Rules: compound actions (when_all, when_any, the wrapper of a retried task) only group; the order of their
leaves is the order in which the SDK gave out sequence ids, so they are flattened here once.
Source: azure-functions-durable 1.7.0, models/actions and OrchestratorState.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from emulators.durable.history import parse_utc

FAILURE_MARKER = "$OutOfProcData$:"


class UnreadableReplyError(Exception):
    """The orchestrator function did not return what the Durable SDK returns."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry options of one call; the Python SDK offers no back-off."""

    interval_ms: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class CallActivity:
    """Run an activity; `input` is a JSON text."""

    name: str
    input: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CallSubOrchestrator:
    """Run another orchestration and wait for it; `input` is a JSON text."""

    name: str
    input: str | None
    instance_id: str | None
    version: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CreateTimer:
    """Wake the orchestrator at `fire_at`; a cancelled timer never fires."""

    fire_at: datetime
    canceled: bool


@dataclass(frozen=True, slots=True)
class ContinueAsNew:
    """Start over with a new input (JSON text) and an empty history."""

    input: str | None


@dataclass(frozen=True, slots=True)
class AskEntity:
    """Send an operation to the entity `@name@key`, at `fire_at` if given; `input` is a JSON text."""

    instance_id: str
    operation: str
    input: str | None
    is_signal: bool
    fire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallHttp:
    """Make an HTTP request without code of the app; `request` is the extension's DurableHttpRequest as JSON."""

    request: str


Task = CallActivity | CallSubOrchestrator | CreateTimer | AskEntity | CallHttp


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn's answer. `tasks` are the leaves that take a sequence id; texts are JSON, None is absent."""

    is_done: bool
    tasks: tuple[Task, ...]
    output: str | None = None
    custom_status: str | None = None
    error: str | None = None
    continue_as_new: ContinueAsNew | None = None


def parse_reply(text: str) -> Reply:
    """The reply of a turn that returned. Raises UnreadableReplyError."""
    try:
        return _reply(_loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableReplyError(f"the orchestrator did not return the SDK's state: {error!r}") from error


def parse_failure(message: str) -> Reply:
    """The reply hidden in the text of a turn that raised; without one, the text itself is the error."""
    head, marker, tail = message.partition(FAILURE_MARKER)
    if not marker:
        return Reply(is_done=False, tasks=(), error=message)
    try:
        state, _ = json.JSONDecoder().raw_decode(tail.lstrip())
        reply = _reply(state)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Reply(is_done=False, tasks=(), error=head.strip())
    return reply if reply.error else Reply(reply.is_done, reply.tasks, error=head.strip())


def _reply(state: dict[str, Any]) -> Reply:
    leaves = [leaf for group in state["actions"] for action in group for leaf in _leaves(action)]
    restarts = [leaf for leaf in leaves if isinstance(leaf, ContinueAsNew)]
    return Reply(
        is_done=bool(state["isDone"]),
        tasks=tuple(leaf for leaf in leaves if not isinstance(leaf, ContinueAsNew)),
        output=_dumps(state.get("output")),
        custom_status=_dumps(state.get("customStatus")),
        error=state.get("error") or None,
        continue_as_new=restarts[-1] if restarts else None,
    )


def _leaves(action: dict[str, Any]) -> Iterator[Task | ContinueAsNew]:
    kind = action["actionType"]
    if kind in _COMPOUND:
        for child in action["compoundActions"]:
            yield from _leaves(child)
    elif kind != _WAIT_FOR_EXTERNAL_EVENT:
        yield _READERS[kind](action)


def _activity(action: dict[str, Any]) -> CallActivity:
    return CallActivity(action["functionName"], action["input"], _retry(action))


def _sub_orchestrator(action: dict[str, Any]) -> CallSubOrchestrator:
    return CallSubOrchestrator(
        action["functionName"],
        action["input"],
        action.get("instanceId"),
        action.get("version"),
        _retry(action),
    )


def _timer(action: dict[str, Any]) -> CreateTimer:
    return CreateTimer(parse_utc(action["fireAt"]), bool(action["isCanceled"]))


def _continue_as_new(action: dict[str, Any]) -> ContinueAsNew:
    return ContinueAsNew(action["input"])


def _call_entity(action: dict[str, Any]) -> AskEntity:
    return AskEntity(action["instanceId"], action["operation"], action.get("input"), is_signal=False)


def _signal_entity(action: dict[str, Any]) -> AskEntity:
    fire_at = action.get("fireAt")
    return AskEntity(
        action["instanceId"],
        action["operation"],
        action.get("input"),
        is_signal=True,
        fire_at=parse_utc(fire_at) if fire_at else None,
    )


def _http(action: dict[str, Any]) -> CallHttp:
    return CallHttp(json.dumps(action["httpRequest"], separators=(",", ":")))


def _retry(action: dict[str, Any]) -> RetryPolicy | None:
    options = action.get("retryOptions")
    if options is None:
        return None
    return RetryPolicy(int(options["firstRetryIntervalInMilliseconds"]), int(options["maxNumberOfAttempts"]))


_WAIT_FOR_EXTERNAL_EVENT = 6
_COMPOUND = frozenset({11, 12})
_READERS: dict[int, Callable[[dict[str, Any]], Task | ContinueAsNew]] = {
    0: _activity,
    1: _activity,
    2: _sub_orchestrator,
    3: _sub_orchestrator,
    4: _continue_as_new,
    5: _timer,
    7: _call_entity,
    8: _http,
    9: _signal_entity,
    10: _signal_entity,
}


def _loads(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        # The SDK writes NaN and lone surrogates, which orjson refuses and json reads.
        value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("it is not a JSON object")
    return value


def _dumps(value: object) -> str | None:
    # Escaped ASCII, so that any string the SDK accepted can be stored.
    return None if value is None else json.dumps(value, separators=(",", ":"))
