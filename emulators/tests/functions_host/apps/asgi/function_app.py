"""A Starlette application served by one HTTP function, and a function beside it."""

import azure.functions as func
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


async def item(request: Request) -> Response:
    body = {
        "id": request.path_params["id"],
        "query": dict(request.query_params),
        "header": request.headers.get("x-own"),
        "body": (await request.body()).decode(),
        "function": request.scope["azure_functions.function_name"],
    }
    return JSONResponse(body, 201, headers={"x-answer": "1"})


async def pieces(_: Request) -> Response:
    return StreamingResponse(iter(["one", "two"]), media_type="text/plain")


async def broken(_: Request) -> Response:
    raise ValueError("secret text")


routes = [
    Route("/items/{id:int}", item, methods=["GET", "PUT"]),
    Route("/pieces", pieces),
    Route("/broken", broken),
]
app = func.AsgiFunctionApp(app=Starlette(routes=routes), http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="beside", auth_level=func.AuthLevel.ANONYMOUS)
async def beside(req: func.HttpRequest) -> str:
    return "a function"
