"""A blueprint with an orchestration."""

from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func

greetings = df.Blueprint()


@greetings.route(route="greet/{name}", auth_level=func.AuthLevel.ANONYMOUS)
@greetings.durable_client_input(client_name="client")
async def greet(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance = await client.start_new("greeting", client_input=req.route_params["name"])
    return await client.wait_for_completion_or_create_check_status_response(req, instance, 20_000, 50)


@greetings.orchestration_trigger(context_name="context")
def greeting(context: df.DurableOrchestrationContext) -> Generator[Any, Any, str]:
    return (yield context.call_activity("say", context.get_input()))


@greetings.activity_trigger(input_name="name")
def say(name: str) -> str:
    return f"hello {name}"
