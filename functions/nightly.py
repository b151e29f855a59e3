"""The nightly round's timer: 20:40 UTC, long after India's session and before its next morning."""

import azure.durable_functions as df
import azure.functions as func

from shared.composition import application

blueprint = df.Blueprint()


@blueprint.timer_trigger(arg_name="timer", schedule="0 40 20 * * *")
async def nightly(timer: func.TimerRequest) -> None:
    """Forget what is past its retention, prepare what comes."""
    app = await application()
    await app.nightly.run()
