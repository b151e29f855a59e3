"""An app as anybody writes it: entities, an orchestrator and a client on blueprints of the unmodified SDK."""

import json
from typing import Any

import azure.durable_functions as df
import azure.functions as func

entities = df.Blueprint()


@entities.entity_trigger(context_name="context")
def Counter(context: Any) -> None:  # noqa: N802 - entity functions are named like types
    value = context.get_state(lambda: 0)
    if context.operation_name == "fail":
        raise ValueError("nope")
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    context.set_result(value)


@entities.entity_trigger(context_name="context", entity_name="Tally")
def count_calls(context: Any) -> None:
    context.set_state(context.get_state(lambda: 0) + 1)
    context.set_result(context.get_state())


@entities.orchestration_trigger(context_name="context")
def use(context: Any) -> Any:
    counter = df.EntityId("Counter", "k")
    context.signal_entity(counter, "add", 1)
    total = yield context.call_entity(counter, "add", 2)
    calls = yield context.call_entity(df.EntityId("Tally", "t"), "count")
    try:
        yield context.call_entity(counter, "fail")
    except Exception as error:  # noqa: BLE001 - all that the SDK raises
        return [total, calls, str(error)]


app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(entities)


@app.route(route="use")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    instance_id = await client.start_new("use")
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 20_000, 50)


@app.route(route="read")
@app.durable_client_input(client_name="client")
async def read(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    state = await client.read_entity_state(df.EntityId("counter", "k"))
    return func.HttpResponse(json.dumps([state.entity_exists, state.entity_state]))
