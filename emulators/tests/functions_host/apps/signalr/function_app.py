"""A serverless SignalR app: negotiation by binding, messages and group actions by output."""

import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="negotiate", methods=["POST"])
@app.generic_input_binding(
    arg_name="info",
    type="signalRConnectionInfo",
    hubName="chat",
    userId="{headers.x-user}",
    idToken="{headers.x-id-token}",
    claimTypeList=["team"],
)
def negotiate(req: func.HttpRequest, info: str) -> func.HttpResponse:
    return func.HttpResponse(info, mimetype="application/json")


@app.route(route="users/{user}/negotiate", methods=["POST"])
@app.generic_input_binding(
    arg_name="info", type="signalRConnectionInfo", hub_name="%HUB%", user_id="{query.prefix}{user}{suffix}"
)
async def negotiate_for(req: func.HttpRequest, info: str) -> func.HttpResponse:
    return func.HttpResponse(info, mimetype="application/json")


@app.route(route="send", methods=["POST"])
@app.generic_output_binding(arg_name="messages", type="signalR", hubName="Chat")
def send(req: func.HttpRequest, messages: func.Out[str]) -> str:
    messages.set(req.get_body().decode())
    return "sent"


@app.route(route="several", methods=["POST"])
@app.generic_output_binding(arg_name="messages", type="signalR", hubName="%HUB%")
async def several(req: func.HttpRequest, messages: func.Out[str]) -> str:
    messages.set(json.dumps([{"target": "hello", "arguments": [number]} for number in range(3)]))
    return "sent"
