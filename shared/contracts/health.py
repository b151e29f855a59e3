"""Health over HTTP: which dependency is up, without a word about how it is reached."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shared.contracts.common import View


class DependencyState(StrEnum):
    """DEGRADED: it works, but not as it should."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


class HealthStatus(StrEnum):
    """DEGRADED: orders are taken, but something is not as it should be; DOWN: orders can't be taken."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


class DependencyView(View):
    """One dependency; orders can't be taken while a required one is down."""

    name: str
    state: DependencyState
    required: bool
    ms: Annotated[int, Field(description="How long the check took")]


class HealthView(View):
    """Whether orders can be taken."""

    status: HealthStatus
    dependencies: list[DependencyView]
