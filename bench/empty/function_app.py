"""The floor: a function that does nothing, behind the same host and the same worker library as place-order."""

# mypy: disallow-untyped-decorators=False
# The worker library's decorators carry no types.
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="orders", methods=["POST"])
async def place_order(req: func.HttpRequest) -> func.HttpResponse:
    """Answer that it was accepted."""
    return func.HttpResponse(status_code=202)
