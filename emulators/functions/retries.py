"""Retry policies (`@app.retry`): a failed invocation is repeated where it stands.

Azure applies them to timers and streams; a queue's broker delivers again by its own count
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages). Every attempt knows the policy's
count, the first one too, as in FunctionExecutorExtensions.TryExecuteAsync of Azure/azure-webjobs-sdk.
"""

import asyncio
import contextlib
from collections.abc import Mapping

from emulators.functions.definitions import FunctionDefinition
from emulators.functions.execution import Executor
from emulators.functions.worker import InvocationOutcome, Message, RetryContext, TraceContext, TypedData

_NO_METADATA: Mapping[str, TypedData] = {}


async def run_with_retries(
    executor: Executor,
    function: FunctionDefinition,
    trigger_input: TypedData,
    trace: TraceContext,
    stopping: asyncio.Event,
    metadata: Mapping[str, TypedData] = _NO_METADATA,
) -> bool:
    """Whether the policy was carried through: it succeeded or was exhausted. False when `stopping` cut it short."""
    policy = function.retry
    attempt = 0
    retry = RetryContext(max_retry_count=policy.max_retry_count if policy else 0)
    while True:
        outcome = await executor.run(function, trigger_input, trace, metadata, retry)
        if outcome.failure is None or policy is None or 0 <= policy.max_retry_count <= attempt:
            return True
        attempt += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(policy.delay_s(attempt)):
                await stopping.wait()
        if stopping.is_set():
            return False
        retry = RetryContext(attempt, policy.max_retry_count, _raised(outcome))


def _raised(outcome: InvocationOutcome) -> object:
    assert outcome.failure is not None
    return Message(source="", stack_trace=outcome.failure.traceback, message=outcome.failure.message)
