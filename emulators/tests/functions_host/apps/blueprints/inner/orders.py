"""A plain blueprint."""

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.route(route="orders/{id}", auth_level=func.AuthLevel.ANONYMOUS)
def order(req: func.HttpRequest) -> str:
    return f"order {req.route_params['id']}"
