"""Write the files of the templates that follow from the app: `python -m infra.generated`.

The operations and the policy of API Management follow from the route table, the scale groups from the functions, what
may be assigned by whoever deploys from the table of roles.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from infra.functions import triggers
from infra.gateway.operations import operations_json
from infra.gateway.policy import policy_xml
from infra.rules.identities import ROLES
from shared.contracts.routes import ROUTES

_FOLDER: Final = Path(__file__).parent / "bicep"


def _functions_json() -> str:
    return json.dumps(list(triggers()), indent=2) + "\n"


def _condition() -> str:
    """Lets whoever deploys assign the roles of the templates, to identities, and no other role."""
    allowed = ", ".join(sorted(ROLES))
    role = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
    kind = "Microsoft.Authorization/roleAssignments:PrincipalType"
    write = (
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
        f"(@Request[{role}] ForAnyOfAnyValues:GuidEquals {{{allowed}}} AND "
        f"@Request[{kind}] ForAnyOfAnyValues:StringEqualsIgnoreCase {{'ServicePrincipal'}}))"
    )
    delete = (
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR "
        f"(@Resource[{role}] ForAnyOfAnyValues:GuidEquals {{{allowed}}}))"
    )
    return f"({write} AND {delete})\n"


FILES: Final[Mapping[Path, Callable[[], str]]] = {
    _FOLDER / "functions.json": _functions_json,
    _FOLDER.parent / "entra" / "condition.txt": _condition,
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
