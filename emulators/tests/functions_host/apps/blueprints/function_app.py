"""Functions from two blueprints, one of them with Durable functions, beside the app's own."""

import azure.durable_functions as df
import azure.functions as func
from inner import orders
from inner.greetings import greetings

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_blueprint(greetings)
app.register_functions(orders.blueprint)


@app.route(route="own")
def own(req: func.HttpRequest) -> str:
    return "own"
