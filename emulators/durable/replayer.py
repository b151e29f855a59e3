"""Asks orchestrators what to do next, at most so many at a time.

Rules: what the function itself does wrong fails its instance; what the host does wrong is not the
instance's fault, so the turn is tried again later, as in Azure.
"""

import asyncio
from dataclasses import replace
from datetime import datetime

import structlog

from emulators.durable.actions import UnreadableReplyError, parse_failure, parse_reply
from emulators.durable.actor import Advance, Suspend, Terminate
from emulators.durable.contract import FunctionFailed, Invoker
from emulators.durable.execution import Execution
from emulators.durable.history import Event
from emulators.durable.payload import trigger_payload
from emulators.durable.turn import Functions, RefusedError, Turn, conclude, fail, opening, pause, terminate
from emulators.durable.versions import FailureStrategy, Versioning

_log = structlog.get_logger(__name__)


class Replayer:
    """Turns steps into turns with the host's invoker."""

    def __init__(self, invoker: Invoker, limit: int, versioning: Versioning) -> None:
        self._invoker = invoker
        self._versioning = versioning
        self._functions = replace(
            Functions.of(invoker.orchestrators, invoker.activities, invoker.entities),
            default_version=versioning.default,
        )
        self._slots = asyncio.Semaphore(limit)

    async def turn(self, execution: Execution, step: Terminate | Suspend | Advance, now: datetime) -> Turn | None:
        """The turn to commit for a step; None if the host could not run the orchestrator."""
        match step:
            case Terminate(termination):
                return terminate(execution, termination, now)
            case Suspend(suspension):
                return pause(execution, suspension, now)
        begun = opening(execution, step.events, now)
        if not self._versioning.admits(execution.start.version):
            return self._turn_away(execution, begun)
        return await self._ask(execution, begun)

    def _turn_away(self, execution: Execution, begun: tuple[Event, ...]) -> Turn | None:
        """What becomes of an instance whose version this worker must not run: it fails, or waits for another worker."""
        if self._versioning.failure is FailureStrategy.FAIL:
            return fail(execution, begun, "Orchestration version did not comply with Worker Versioning")
        _log.info(
            "instance waits for a worker of its version",
            instance=execution.start.instance_id,
            version=execution.start.version,
            worker_version=self._versioning.default,
        )
        return None

    async def _ask(self, execution: Execution, begun: tuple[Event, ...]) -> Turn | None:
        try:
            name = self._functions.orchestrator(execution.start.name)
            async with self._slots:
                text = await self._invoker.orchestrate(name, trigger_payload(execution, begun))
            reply = parse_reply(text)
        except FunctionFailed as failure:
            reply = parse_failure(str(failure))
        except (RefusedError, UnreadableReplyError) as refusal:
            return fail(execution, begun, str(refusal))
        except Exception:  # noqa: BLE001 - logged below
            _log.exception("orchestrator could not be invoked", instance=execution.start.instance_id)
            return None
        return conclude(execution, begun, reply, self._functions)
