"""Roles and identities: what goes wrong, and the rule that must find it."""

from typing import Any, Final

from tests.infra.mutations import GONE, Mutation, add, copy, drop, put, swap

_SITE: Final = "Microsoft.Web/sites"
_CONFIG: Final = "Microsoft.Web/sites/config"
_ROLE: Final = "Microsoft.Authorization/roleAssignments"
_COSMOS: Final = "Microsoft.DocumentDB/databaseAccounts"


def _role(role: str) -> str:
    return (
        f"/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/{role}"
    )


def _wider_scope(resources: list[dict[str, Any]]) -> None:
    """The role on a queue moves up to its namespace."""
    role = [each for each in resources if each["type"] == _ROLE and "/queues/" in each["id"]][-1]
    start, _, end = role["id"].partition("/queues/")
    role["id"] = start + "/providers/" + end.partition("/providers/")[2]


FAULTS: Final = (
    Mutation(
        "roles_are_those_of_the_table",
        "owner",
        put(_ROLE, "properties.roleDefinitionId", _role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")),
    ),
    Mutation("roles_are_those_of_the_table", "owner of the namespace", _wider_scope),
    Mutation(
        "roles_are_those_of_the_table",
        "unknown holder",
        put(_ROLE, "properties.principalId", "11111111-1111-4111-8111-111111111111"),
    ),
    Mutation("roles_are_those_of_the_table", "no type", put(_ROLE, "properties.principalType", GONE)),
    Mutation(
        "roles_are_those_of_the_table",
        "exchange sends requests",
        put(
            _ROLE,
            "properties.roleDefinitionId",
            _role("69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"),
            named="exchange-requests",
        ),
    ),
    Mutation("every_identity_has_its_roles", "lost", drop(_ROLE, named="taskHubs/green")),
    Mutation("every_identity_has_its_roles", "lost", drop(_ROLE, named="/flexibleServers/")),
    Mutation(
        "every_identity_has_its_roles",
        "unused",
        add(
            {
                "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/x/id-x",
                "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
            }
        ),
    ),
    Mutation(
        "roles_stay_in_the_cell_and_the_colour",
        "other colour",
        copy(_ROLE, "properties.principalId", named="taskHubs/green", other="taskHubs/blue"),
    ),
    Mutation(
        "roles_stay_in_the_cell_and_the_colour",
        "other cell",
        copy(_ROLE, "properties.principalId", named="signalR/sigr-broker-prod-c2", other="signalR/sigr-broker-prod-c1"),
    ),
    Mutation(
        "each_app_has_one_identity_of_its_own", "system", put(_SITE, "identity.type", "SystemAssigned, UserAssigned")
    ),
    Mutation(
        "each_app_has_one_identity_of_its_own", "shared", copy(_SITE, "identity", named="c2-green", other="c2-blue")
    ),
    Mutation(
        "each_app_has_one_identity_of_its_own",
        "client id",
        copy(_CONFIG, "properties.AZURE_CLIENT_ID", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "each_app_has_one_identity_of_its_own",
        "missing",
        put(_CONFIG, "properties.SERVICE_BUS_CONNECTION__clientId", GONE),
    ),
    Mutation(
        "each_app_has_one_identity_of_its_own",
        "no credential",
        put(_CONFIG, "properties.EVENT_HUBS_CONNECTION__credential", "none"),
    ),
    Mutation(
        "data_roles_are_narrow", "account", put(f"{_COSMOS}/sqlRoleAssignments", "properties.scope", "/subscriptions/s")
    ),
    Mutation("data_roles_are_narrow", "lost", drop(f"{_COSMOS}/sqlRoleAssignments")),
    Mutation(
        "data_roles_are_narrow", "lost", drop("Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments")
    ),
    Mutation(
        "data_roles_are_narrow",
        "other cell",
        copy(
            "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments",
            "properties.user",
            named="c2",
            other="c1",
        ),
    ),
    Mutation(
        "every_resource_that_is_named_exists",
        "subnet",
        swap(_SITE, "properties.virtualNetworkSubnetId", "functions-", "function-"),
    ),
    Mutation("every_resource_that_is_named_exists", "workspace", drop("Microsoft.OperationalInsights/workspaces")),
    Mutation(
        "every_resource_that_is_named_exists",
        "identity",
        drop("Microsoft.ManagedIdentity/userAssignedIdentities", named="c1-blue"),
    ),
    Mutation("every_resource_that_is_named_exists", "plan", drop("Microsoft.Web/serverfarms")),
)
