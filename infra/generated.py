"""Write the files of the templates that follow from the app: `python -m infra.generated`.

The operations and the policy of API Management follow from the route table, the scale groups from the functions.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import function_app
from infra.gateway.operations import operations_json
from infra.gateway.policy import policy_xml
from shared.contracts.routes import ROUTES

_FOLDER: Final = Path(__file__).parent / "bicep"
_GROUPED: Final = {"httpTrigger", "orchestrationTrigger", "activityTrigger", "entityTrigger"}
"""Functions of these triggers share the scale groups `http` and `durable`; each other one is a group of its own."""


def triggers() -> dict[str, dict[str, Any]]:
    """The trigger of each function that is a scale group of its own, by the function's name."""
    # The SDK refuses names that it has seen, those of its own last call too.
    function_app.app.functions_bindings = None
    found = {each.get_function_name(): each.get_trigger().get_dict_repr() for each in function_app.app.get_functions()}
    return {name: found[name] for name in sorted(found) if found[name]["type"] not in _GROUPED}


def _functions_json() -> str:
    return json.dumps(list(triggers()), indent=2) + "\n"


FILES: Final[Mapping[Path, Callable[[], str]]] = {
    _FOLDER / "functions.json": _functions_json,
    _FOLDER / "policies" / "operations.json": lambda: operations_json(ROUTES),
    _FOLDER / "policies" / "api.xml": lambda: policy_xml(ROUTES),
}
"""The generated files, and what belongs into each."""


def main() -> None:
    """Write every generated file."""
    for path, content in FILES.items():
        path.write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
