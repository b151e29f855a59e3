"""Health over HTTP: which dependency is up, without a word about how it is reached."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.common import View


class DependencyView(View):
    """One dependency; orders can't be taken while a required one is down."""

    name: str
    state: Annotated[
        Literal["UP", "DEGRADED", "DOWN"], Field(description="DEGRADED: not as it should be, but it works")
    ]
    required: bool
    ms: Annotated[int, Field(description="How long the check took")]


class HealthView(View):
    """OK, DEGRADED (orders are taken, but something is not as it should be), or DOWN (orders can't be taken)."""

    status: Literal["OK", "DEGRADED", "DOWN"]
    dependencies: list[DependencyView]
