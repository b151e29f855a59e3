"""The function app of the in-flight figure: instances that wait for one event."""

# mypy: disallow-untyped-decorators=False
# The Durable SDK's decorators carry no types.
import azure.durable_functions as df

from orchestrations.saga import Steps

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def patient(context: df.DurableOrchestrationContext) -> Steps:
    """Wait for `go` and return what it says."""
    return (yield context.wait_for_external_event("go"))
