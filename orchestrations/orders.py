"""The order saga: reserve funds, submit to the exchange, wait once for its answer, confirm.

A saga carries a list of orders by its id alone and takes at most six turns whatever their number, eight when a user of
the list was locked: the others' orders go first. Failures are compensated order by order inside the steps; a step that
fails for good undoes what never left us.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Dict  # the worker refuses dict[...] as an annotation of a trigger
from uuid import UUID

import azure.durable_functions as df

from orchestrations.saga import Compensations, Steps, run_step, wait_for_event
from shared.composition import application
from shared.domain.orders.order import OrderKey
from shared.domain.sagas import Step
from shared.domain.times import wire_time
from shared.ports.order_sagas import ANSWERED

blueprint = df.Blueprint()


class RecoveryEnd(StrEnum):
    """How a recovery ends; either way nothing is left for it to do."""

    SETTLED = "SETTLED"
    CLOSED = "CLOSED"


_LISTEN_S = (3, 6, 12)


@blueprint.orchestration_trigger(context_name="context")
def order_saga(context: df.DurableOrchestrationContext) -> Steps:
    """Bring the orders of a saga to the exchange, or back to their owners."""
    saga = context.get_input()
    compensations = Compensations(context)
    compensations.push(Step.RELEASE_FUNDS, saga)
    step = Step.RESERVE_FUNDS
    try:
        going_on = yield run_step(context, step, saga)
        if going_on:
            step = Step.SUBMIT_TO_EXCHANGE
            submission = yield run_step(context, step, saga)
            # A result from before this was asked has no such member.
            if submission.get("left"):
                locked = saga | {"patient": True}
                step = Step.RESERVE_FUNDS
                yield run_step(context, step, locked)
                step = Step.SUBMIT_TO_EXCHANGE
                submission = yield run_step(context, step, locked)
            if submission["unanswered"]:
                yield from wait_for_event(context, ANSWERED, datetime.fromisoformat(submission["deadline"]))
    except Exception:  # noqa: BLE001 - whatever failed for good, what never left us is undone
        yield from compensations.unwind(step)
    return (yield run_step(context, Step.CONFIRM, saga))


@blueprint.activity_trigger(input_name="saga")
@blueprint.durable_client_input(client_name="client")
async def reserve_funds(saga: Dict[str, Any], client: df.DurableOrchestrationClient) -> int:
    """How many orders are held or were left."""
    app = await application()
    sagas, patient = app.order_sagas(client), saga.get("patient", False)
    return await app.order_saga.reserve_funds(UUID(saga["saga_id"]), sagas, patient=patient)


@blueprint.activity_trigger(input_name="saga")
@blueprint.durable_client_input(client_name="client")
async def submit_to_exchange(saga: Dict[str, Any], client: df.DurableOrchestrationClient) -> Dict[str, Any]:
    """How many orders wait for the exchange, and until when; how many were left."""
    app = await application()
    sagas, patient = app.order_sagas(client), saga.get("patient", False)
    submission = await app.order_saga.submit_to_exchange(UUID(saga["saga_id"]), sagas, patient=patient)
    waiting = {"unanswered": submission.unanswered, "deadline": wire_time(submission.deadline)}
    return waiting | {"left": submission.left}


@blueprint.activity_trigger(input_name="saga")
@blueprint.durable_client_input(client_name="client")
async def confirm(saga: Dict[str, str], client: df.DurableOrchestrationClient) -> Dict[str, Any]:
    """Counts of orders and of those handed to recovery."""
    app = await application()
    return await app.order_saga.confirm(UUID(saga["saga_id"]), app.order_sagas(client))


@blueprint.activity_trigger(input_name="saga")
@blueprint.durable_client_input(client_name="client")
async def release_funds(saga: Dict[str, str], client: df.DurableOrchestrationClient) -> int:
    """How many orders were refused and their holds released."""
    app = await application()
    return await app.order_saga.release_funds(UUID(saga["saga_id"]), app.order_sagas(client), Step(saga["failed_step"]))


@blueprint.orchestration_trigger(context_name="context")
def order_recovery(context: df.DurableOrchestrationContext) -> Steps:
    """Ask the exchange about one order until it answers conclusively; without an answer, operations decide."""
    order = context.get_input()
    for listen_s in _LISTEN_S:
        asked = yield run_step(context, "ask_exchange", order)
        if not asked:
            return RecoveryEnd.SETTLED
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=listen_s))
    yield run_step(context, "put_in_doubt", order)
    return RecoveryEnd.CLOSED


@blueprint.activity_trigger(input_name="order")
@blueprint.durable_client_input(client_name="client")
async def ask_exchange(order: Dict[str, str], client: df.DurableOrchestrationClient) -> bool:
    """Whether there was anything to ask."""
    app = await application()
    return await app.recovery.ask(OrderKey(UUID(order["user_id"]), UUID(order["order_id"])), app.order_sagas(client))


@blueprint.activity_trigger(input_name="order")
@blueprint.durable_client_input(client_name="client")
async def put_in_doubt(order: Dict[str, str], client: df.DurableOrchestrationClient) -> bool:
    """Whether the order is in doubt now; an answer that came meanwhile has settled it."""
    app = await application()
    return await app.recovery.doubt(OrderKey(UUID(order["user_id"]), UUID(order["order_id"])), app.order_sagas(client))
