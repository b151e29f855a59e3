"""Runs one function once: client bindings in, time-out, output bindings out, one log line.

Every trigger goes through `Executor.run`; the exception of a function is an outcome, never raised here.
"""

import asyncio
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from emulators.functions import worker
from emulators.functions.binding_data import BindingData, BindingError
from emulators.functions.definitions import FunctionDefinition, Output
from emulators.functions.logging import InvocationLog, RunningInvocation
from emulators.functions.signalr import SignalRError, connection_infos
from emulators.functions.storage_bindings import BlobInput, BlobOutput, QueueOutput
from emulators.functions.worker import (
    Invocation,
    InvocationFailure,
    InvocationOutcome,
    ParameterBinding,
    RetryContext,
    TraceContext,
    TypedData,
)
from emulators.processes.background import Background

_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
_NO_METADATA: Mapping[str, TypedData] = {}
_NO_RETRY = RetryContext()


class OutputSender(Protocol):
    """Where output bindings go."""

    async def send(self, output: Output, value: TypedData) -> None:
        """Send one value; raises when it did not arrive."""


class InputReader(Protocol):
    """Where blob inputs come from."""

    async def read(self, binding: BlobInput) -> ParameterBinding:
        """The parameter's value. Raises BindingError."""


class Listener(Protocol):
    """A trigger that receives from a broker until it is stopped."""

    def start(self, background: Background) -> None: ...

    def stop(self) -> None: ...

    async def wait_closed(self, timeout_s: float) -> None: ...


def trace_context(trace_parent: str | None = None, trace_state: str = "") -> TraceContext:
    """The caller's context if it is well-formed, a new sampled-out one otherwise (W3C Trace Context 3.2)."""
    if trace_parent is not None and _TRACE_PARENT.match(trace_parent):
        return TraceContext(trace_parent, trace_state)
    return TraceContext(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00")


class Executor:
    """All invocations of one process."""

    def __init__(self, log: InvocationLog, timeout_s: float | None) -> None:
        self.client_binding: str | None = None
        self.outputs: OutputSender | None = None
        self.storage: InputReader | None = None
        # A thread is lost: its function ran past the time-out and cannot be stopped.
        self.stuck = asyncio.Event()
        self._log = log
        self._timeout_s = timeout_s
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(
        self,
        function: FunctionDefinition,
        trigger_input: object,
        trace: TraceContext,
        metadata: Mapping[str, TypedData] = _NO_METADATA,
        retry: RetryContext = _NO_RETRY,
    ) -> InvocationOutcome:
        """Invoke `function`; its failure, time-out and failed outputs are in the outcome."""
        invocation_id = worker.new_invocation_id()
        running = RunningInvocation(function.name, invocation_id, trace.trace_parent)
        started = time.perf_counter()
        self._log.running[invocation_id] = running
        self._idle.clear()
        try:
            outcome = await self._outcome(function, invocation_id, trigger_input, metadata, trace, retry)
        finally:
            del self._log.running[invocation_id]
            if not self._log.running:
                self._idle.set()
        traceback = outcome.failure.traceback or outcome.failure.message if outcome.failure else None
        self._log.finished(running, time.perf_counter() - started, traceback)
        return outcome

    async def wait_idle(self, timeout_s: float) -> bool:
        """Whether every running invocation finished within the bound."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _outcome(
        self,
        function: FunctionDefinition,
        invocation_id: str,
        trigger_input: object,
        metadata: Mapping[str, TypedData],
        trace: TraceContext,
        retry: RetryContext,
    ) -> InvocationOutcome:
        outputs = function.outputs
        try:
            inputs = self._inputs(function, trigger_input)
            if function.has_expressions:
                blobs, outputs = await self._bound(function, BindingData(function.name, trigger_input, metadata))
                inputs = [*inputs, *blobs]
        except (SignalRError, BindingError) as error:
            return InvocationOutcome(None, {}, InvocationFailure(f"FunctionInvocationException: {error}", ""))
        outcome = await self._bounded(
            function, Invocation(invocation_id, function.function_id, inputs, metadata, trace, retry)
        )
        if outputs and outcome.failure is None:
            outcome = await self._send_outputs(outputs, outcome)
        return outcome

    async def _bound(
        self, function: FunctionDefinition, data: BindingData
    ) -> tuple[Sequence[ParameterBinding], tuple[Output, ...]]:
        """Blob inputs and the outputs' places: the real host too binds before it invokes. Raises BindingError."""
        outputs = tuple(
            output.bound(data) if isinstance(output, QueueOutput | BlobOutput) else output
            for output in function.outputs
        )
        if not function.blob_inputs:
            return (), outputs
        assert self.storage is not None, "a process with blob inputs has a reader"
        return await asyncio.gather(*(self.storage.read(one.bound(data)) for one in function.blob_inputs)), outputs

    def _inputs(self, function: FunctionDefinition, trigger_input: object) -> Sequence[ParameterBinding]:
        inputs = [ParameterBinding(function.trigger.parameter, trigger_input)]
        if function.client_parameters:
            assert self.client_binding is not None, "the task hub is opened before its clients run"
            client = TypedData(string=self.client_binding)
            inputs += [ParameterBinding(name, client) for name in function.client_parameters]
        if function.connection_infos:
            infos = connection_infos(function.connection_infos, trigger_input, os.environ)
            inputs += [ParameterBinding(name, info) for name, info in infos]
        return inputs

    async def _bounded(self, function: FunctionDefinition, invocation: Invocation) -> InvocationOutcome:
        bound = asyncio.timeout(self._timeout_s)
        try:
            async with bound:
                return await worker.invoke(invocation)
        except TimeoutError:
            if not bound.expired():
                raise
        if worker.runs_in_thread(function.function_id):
            self.stuck.set()
        words = (
            f"Timeout value of {self._timeout_s:.0f} s was exceeded by function: 'Functions.{function.name}' "
            f"(Id: '{invocation.invocation_id}')"
        )
        return InvocationOutcome(None, {}, InvocationFailure(f"FunctionTimeoutException: {words}", ""))

    async def _send_outputs(self, outputs: Sequence[Output], outcome: InvocationOutcome) -> InvocationOutcome:
        assert self.outputs is not None, "a process with output bindings has a sender"
        for output in outputs:
            value = outcome.return_value if output.parameter == "$return" else outcome.outputs.get(output.parameter)
            if value is None:
                continue
            try:
                await self.outputs.send(output, value)
            except Exception as error:  # noqa: BLE001 - whatever the SDK raises is this invocation's failure
                words = f"Error while handling parameter {output.parameter} after function returned: {error}"
                return InvocationOutcome(None, {}, InvocationFailure(f"FunctionInvocationException: {words}", ""))
        return outcome
