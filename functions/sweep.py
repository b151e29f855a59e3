"""The sweep's timer: every five seconds, and at once when an instance starts, because it may start after a crash."""

import azure.durable_functions as df
import azure.functions as func

from shared.composition import application

blueprint = df.Blueprint()


@blueprint.timer_trigger(arg_name="timer", schedule="*/5 * * * * *", run_on_startup=True, use_monitor=False)
@blueprint.durable_client_input(client_name="client")
async def sweep(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Finish what a crash or an outage has left unfinished."""
    app = await application()
    await app.sweep.run(app.order_sagas(client))
