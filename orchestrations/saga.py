"""What every saga shares: retries named in one place, and a stack of compensations with one unwind."""

from collections.abc import Generator
from datetime import datetime
from typing import Any

import azure.durable_functions as df

# Activities wait for a broken dependency themselves; this outlasts a restart of the database.
RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=500, max_number_of_attempts=20)

type Steps = Generator[Any, Any, Any]


def run_step(context: df.DurableOrchestrationContext, activity: str, payload: Any) -> Any:
    """Schedule one idempotent activity under the retry policy."""
    return context.call_activity_with_retry(activity, RETRY, payload)


class Compensations:
    """Undo steps, newest first. Push before the step runs: a step that failed may have had its effect."""

    def __init__(self, context: df.DurableOrchestrationContext) -> None:
        self._context = context
        self._steps: list[tuple[str, dict[str, Any]]] = []

    def push(self, activity: str, payload: dict[str, Any]) -> None:
        """Remember how to undo what comes next; the activity also gets `failed_step`."""
        self._steps.append((activity, payload))

    def unwind(self, failed_step: str) -> Steps:
        """Run every undo step, newest first."""
        while self._steps:
            activity, payload = self._steps.pop()
            yield run_step(self._context, activity, payload | {"failed_step": failed_step})


def wait_for_event(context: df.DurableOrchestrationContext, name: str, deadline: datetime) -> Steps:
    """Wait once for an event that may come early, late or twice; True when it came before the deadline.

    A name is awaited at most once per execution: the SDK keeps an early event for every later wait.
    """
    timer = context.create_timer(deadline)
    event = context.wait_for_external_event(name)
    winner = yield context.task_any([event, timer])
    if winner == event:
        timer.cancel()
    return winner == event
