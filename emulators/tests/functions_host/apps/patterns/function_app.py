"""The published application patterns of Durable Functions, each in the shape of Azure's v2 Python samples.

https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-overview#application-patterns
Activities take a plain `dict`: the worker refuses `dict[str, Any]`.
"""

import json
import threading
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
type Steps[Result] = Generator[Any, Any, Result]


@app.route(route="orchestrators/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def http_start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    body = req.get_body()
    instance_id = await client.start_new(
        req.route_params["functionName"],
        instance_id=req.params.get("id"),
        client_input=json.loads(body) if body else None,
    )
    return client.create_check_status_response(req, instance_id)


# Pattern 1, function chaining.


@app.orchestration_trigger(context_name="context")
def chaining(context: df.DurableOrchestrationContext) -> Steps[list[str]]:
    first = yield context.call_activity("say_hello", "Tokyo")
    second = yield context.call_activity("say_hello", "Seattle")
    third = yield context.call_activity("say_hello", "London")
    return [first, second, third]


@app.activity_trigger(input_name="city")
def say_hello(city: str) -> str:
    return f"Hello {city}!"


# Pattern 2, fan-out and fan-in.


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Steps[int]:
    work = yield context.call_activity("list_work", context.get_input())
    sizes = yield context.task_all([context.call_activity("measure", item) for item in work])
    return sum(sizes)


@app.activity_trigger(input_name="count")
def list_work(count: int) -> list[str]:
    return ["x" * (number % 7) for number in range(count)]


@app.activity_trigger(input_name="item")
async def measure(item: str) -> int:
    return len(item)


# Pattern 3, asynchronous HTTP APIs: `http_start`, and an orchestration that a test lets go.


@app.orchestration_trigger(context_name="context")
def long_running(context: df.DurableOrchestrationContext) -> Steps[str]:
    context.set_custom_status("working")
    answer = yield context.wait_for_external_event("finish")
    return f"finished with {answer}"


# Pattern 4, monitor: poll with timers until the job is done or the monitor expires.

_polls: dict[str, int] = {}
_polls_lock = threading.Lock()


@app.orchestration_trigger(context_name="context")
def monitor(context: df.DurableOrchestrationContext) -> Steps[dict[str, Any]]:
    job = context.get_input()
    expires = context.current_utc_datetime + timedelta(seconds=job["expires_s"])
    polls = 0
    while context.current_utc_datetime < expires:
        polls += 1
        status = yield context.call_activity("job_status", job)
        if status == "Completed":
            yield context.call_activity("say_hello", job["name"])
            return {"status": "Completed", "polls": polls}
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=50))
    return {"status": "Expired", "polls": polls}


@app.activity_trigger(input_name="job")
def job_status(job: dict) -> str:
    with _polls_lock:
        seen = _polls[job["name"]] = _polls.get(job["name"], 0) + 1
    return "Completed" if seen >= job["completes_at"] else "Running"


# Pattern 5, human interaction: an approval that escalates when nobody answers in time.


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext) -> Steps[str]:
    request = context.get_input()
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=3)
    yield context.call_activity_with_retry("request_approval", retry, request)
    due = context.create_timer(context.current_utc_datetime + timedelta(seconds=request["due_s"]))
    answered = context.wait_for_external_event("ApprovalEvent")
    winner = yield context.task_any([answered, due])
    if winner != answered:
        return str((yield context.call_activity("escalate", request["name"])))
    due.cancel()
    return "approved" if answered.result else "rejected"


@app.activity_trigger(input_name="request")
def request_approval(request: dict) -> str:
    with _polls_lock:
        attempt = _polls[request["name"]] = _polls.get(request["name"], 0) + 1
    if attempt < 2:
        raise ConnectionError("the mail server is away")
    return "asked"


@app.activity_trigger(input_name="name")
def escalate(name: str) -> str:
    return f"escalated {name}"


# Pattern 6, aggregator: a stateful entity, signalled by clients and called by an orchestration.


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    value = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            value += context.get_input()
        case "reset":
            value = 0
    context.set_state(value)
    context.set_result(value)


@app.route(route="counters/{key}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def add_to_counter(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    await client.signal_entity(df.EntityId("counter", req.route_params["key"]), "add", int(req.get_body()))
    return func.HttpResponse(status_code=202)


@app.route(route="counters/{key}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def read_counter(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    state = await client.read_entity_state(df.EntityId("counter", req.route_params["key"]))
    if not state.entity_exists:
        return func.HttpResponse(status_code=404)
    return func.HttpResponse(str(state.entity_state))


@app.orchestration_trigger(context_name="context")
def count_twice(context: df.DurableOrchestrationContext) -> Steps[int]:
    entity = df.EntityId("counter", context.get_input())
    context.signal_entity(entity, "add", 1)
    return (yield context.call_entity(entity, "add", 10))


# Sub-orchestrations and eternal orchestrations.


@app.orchestration_trigger(context_name="context")
def parent(context: df.DurableOrchestrationContext) -> Steps[list[Any]]:
    children = [context.call_sub_orchestrator("fan_out", number) for number in (3, 10)]
    return (yield context.task_all(children))


@app.orchestration_trigger(context_name="context")
def eternal(context: df.DurableOrchestrationContext) -> Steps[int | None]:
    state = context.get_input()
    step = yield context.wait_for_external_event("step")
    if step == "end":
        return int(state)
    context.continue_as_new(state + 1)
    return None
