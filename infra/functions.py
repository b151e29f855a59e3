"""The functions of the app as Flex Consumption scales them."""

from functools import cache
from typing import Any, Final

import function_app

_GROUPED: Final = {"httpTrigger", "orchestrationTrigger", "activityTrigger", "entityTrigger"}
"""Functions of these triggers share the scale groups `http` and `durable`; each other one is a group of its own."""


@cache
def triggers() -> dict[str, dict[str, Any]]:
    """The trigger of each function that is a scale group of its own, by the function's name."""
    # The SDK refuses names that it has seen, those of its own last call too.
    function_app.app.functions_bindings = None
    found = {each.get_function_name(): each.get_trigger().get_dict_repr() for each in function_app.app.get_functions()}
    return {name: found[name] for name in sorted(found) if found[name]["type"] not in _GROUPED}
