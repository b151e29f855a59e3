"""The timer that looks for lost execution reports, every ten seconds."""

import azure.durable_functions as df
import azure.functions as func

from shared.composition import application

blueprint = df.Blueprint()


@blueprint.timer_trigger(arg_name="timer", schedule="*/10 * * * * *", use_monitor=False)
@blueprint.durable_client_input(client_name="client")
async def missing_reports(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Compare the venue's report numbers with ours; what is missing is asked for by the sweep."""
    app = await application()
    await app.missing_reports.find(app.order_sagas(client))
