"""The generated files, and what belongs into each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from infra.gateway.operations import operations_json
from infra.gateway.policy import policy_xml
from shared.contracts.routes import ROUTES

_FOLDER: Final = Path(__file__).parent.parent / "bicep" / "policies"
FILES: Final[Mapping[Path, Callable[[], str]]] = {
    _FOLDER / "operations.json": lambda: operations_json(ROUTES),
    _FOLDER / "api.xml": lambda: policy_xml(ROUTES),
}
