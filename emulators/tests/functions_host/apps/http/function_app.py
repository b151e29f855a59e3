"""HTTP functions of every kind the host's tests call."""

import asyncio
import json
import logging
import time

import azure.functions as func
from azure.functions.warmup import WarmUpContext

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="echo", methods=["GET", "POST", "HEAD"])
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    body = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "headers": dict(req.headers),
        "body": req.get_body().decode("utf-8", "replace"),
        "invocation_id": context.invocation_id,
        "traceparent": context.trace_context.trace_parent,
    }
    return func.HttpResponse(json.dumps(body), mimetype="application/json")


@app.route(route="items/{id:int}", methods=["GET"])
def item_by_number(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"number {req.route_params['id']}")


@app.route(route="items/{name}", methods=["GET"])
def item_by_name(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"name {req.route_params['name']}")


@app.route(route="items/special", methods=["GET"])
def item_special(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("special")


@app.route(route="items/{*rest}")
def item_rest(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"rest {req.route_params.get('rest')}")


@app.route(route="guarded", auth_level=func.AuthLevel.FUNCTION)
async def guarded(req: func.HttpRequest) -> str:
    return "open"


@app.route(route="mastered", auth_level=func.AuthLevel.ADMIN)
async def mastered(req: func.HttpRequest) -> str:
    return "open"


@app.route(route="nothing")
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]


@app.route(route="boom")
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("secret text")


@app.route(route="")
async def named_by_itself(req: func.HttpRequest) -> str:
    return "an empty route is the function's name"


@app.warm_up_trigger("context")
def warm(context: WarmUpContext) -> None:
    logging.info("warm")


@app.route(route="forged")
async def forged(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"x-answer": req.params.get("value", "")})


@app.route(route="cookies")
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("x", status_code=201, headers={"X-Own": "1"})
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly; SameSite=Strict")
    response.headers.add("Set-Cookie", "b=2; Max-Age=60; Secure")
    response.headers.add("Set-Cookie", "c=3; Expires=Thu, 12 Jan 2017 13:55:08 GMT; Domain=example.com; Path=/x")
    return response


@app.route(route="slow")
async def slow(req: func.HttpRequest) -> str:
    await asyncio.sleep(float(req.params.get("s", "0.5")))
    return "done"


@app.route(route="blocking")
def blocking(req: func.HttpRequest) -> str:
    time.sleep(float(req.params.get("s", "0.1")))
    logging.info("from a thread")
    return "done"


@app.route(route="logs")
async def logs(req: func.HttpRequest) -> str:
    logging.warning("written by a function")
    return "done"


@app.route(route="disabled")
async def switched_off(req: func.HttpRequest) -> str:
    return "never"


@app.route(route="bytes")
async def raw(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body(), mimetype="application/octet-stream")
