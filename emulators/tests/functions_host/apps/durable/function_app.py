"""Durable functions with clients in HTTP and timer functions."""

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.route(route="wait/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def wait(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 20_000, 50)


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext):  # type: ignore[no-untyped-def]
    word = context.get_input()
    for _ in range(3):
        word = yield context.call_activity("shout", word)
    return word


@app.orchestration_trigger(context_name="context", orchestration="renamed")
def its_own_name(context: df.DurableOrchestrationContext):  # type: ignore[no-untyped-def]
    try:
        yield context.call_activity("fail", context.get_input())
    except Exception as error:  # noqa: BLE001 - what the SDK raises
        return str(error)


@app.activity_trigger(input_name="word")
async def shout(word: str) -> str:
    return word + "!"


@app.activity_trigger(input_name="what", activity="fail")
def failing(what: str) -> str:
    raise ValueError(f"no {what}")
