"""Execution reports from the exchange, in batches off their queue."""

from typing import List

import azure.durable_functions as df
import azure.functions as func

from shared.composition import application

blueprint = df.Blueprint()


@blueprint.service_bus_queue_trigger(
    arg_name="messages",
    queue_name="execution-reports",
    connection="SERVICE_BUS_CONNECTION",
    cardinality=func.Cardinality.MANY,
)
@blueprint.durable_client_input(client_name="client")
async def execution_reports(messages: List[func.ServiceBusMessage], client: df.DurableOrchestrationClient) -> None:
    """Book them; an exception gives the whole batch back to the queue, and booking again changes nothing."""
    app = await application()
    await app.execution_reports.book([message.get_body() for message in messages], app.order_sagas(client))
