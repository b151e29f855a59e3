"""The function app that the engine's benchmarks run: a chain of three activities, and the order saga's shape."""

# mypy: disallow-untyped-decorators=False
# The Durable SDK's decorators carry no types.
from datetime import timedelta
from typing import Any, Dict

import azure.durable_functions as df

from bench import steps
from orchestrations.saga import Steps, run_step, wait_for_event

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Steps:
    """Three activities, one after another."""
    value = 0
    for _ in range(3):
        value = yield context.call_activity("add_one", value)
    return value


@app.activity_trigger(input_name="value")
async def add_one(value: int) -> int:
    """As little work as there can be."""
    return value + 1


@app.orchestration_trigger(context_name="context")
def order_saga(context: df.DurableOrchestrationContext) -> Steps:
    """The broker's order saga without its failures: reserve, submit, wait once for the exchange, confirm."""
    saga = context.get_input()
    yield run_step(context, "reserve", saga)
    yield run_step(context, "submit", saga)
    yield from wait_for_event(context, "answered", context.current_utc_datetime + timedelta(seconds=30))
    return (yield run_step(context, "confirm", saga))


@app.activity_trigger(input_name="saga")
async def reserve(saga: Dict[str, Any]) -> int:
    """See `steps.reserve`."""
    return await steps.reserve(saga["id"])


@app.activity_trigger(input_name="saga")
async def submit(saga: Dict[str, Any]) -> int:
    """See `steps.submit`."""
    return await steps.submit(saga["id"])


@app.activity_trigger(input_name="saga")
async def confirm(saga: Dict[str, Any]) -> int:
    """See `steps.confirm`."""
    return await steps.confirm(saga["id"])
