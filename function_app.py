"""The function app: registers the blueprints, nothing else."""

import azure.durable_functions as df
import azure.functions as func

from functions import (
    backlog,
    candles,
    documentation,
    doubts,
    execution_reports,
    funds,
    health,
    housekeeping,
    instruments,
    ledger,
    market_data,
    missing_reports,
    notifications,
    orders,
    portfolios,
    push,
    quotes,
    reconciliation,
    sagas,
    sweep,
    trades,
    watchlists,
    webhooks,
)
from functions.edge import fallback
from orchestrations import orders as order_sagas
from shared.telemetry import configure_logging

configure_logging()
# Callers are known by their access tokens, which our own code checks: no function keys.
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for module in (
    orders,
    trades,
    portfolios,
    funds,
    notifications,
    instruments,
    push,
    quotes,
    candles,
    watchlists,
    webhooks,
    sagas,
    doubts,
    ledger,
    reconciliation,
    backlog,
    health,
    documentation,
    fallback,
    execution_reports,
    sweep,
    missing_reports,
    market_data,
    housekeeping,
    order_sagas,
):
    app.register_functions(module.blueprint)
