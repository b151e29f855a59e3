"""Housekeeping's timers: what must be ready before it is needed, and what is past its retention."""

import azure.durable_functions as df
import azure.functions as func

from shared.composition import application

blueprint = df.Blueprint()


@blueprint.timer_trigger(arg_name="timer", schedule="30 */5 * * * *", run_on_startup=True, use_monitor=False)
async def prepare_storage(timer: func.TimerRequest) -> None:
    """Partitions and the ledger's checkpoint: at once when an instance starts, and every five minutes."""
    app = await application()
    await app.upkeep.prepare()


@blueprint.timer_trigger(arg_name="timer", schedule="0 40 20-23 * * *")
@blueprint.durable_client_input(client_name="client")
async def nightly(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """From 20:40 UTC, long after India's session, to 23:40, hours before the next: each run goes on with the last."""
    app = await application()
    await app.upkeep.retire(app.finished_sagas(client))
