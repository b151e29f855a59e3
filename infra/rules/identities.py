"""Which identity holds which role where, and which identity each app uses."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from infra.rules.rule import Rules
from infra.rules.snapshot import Resource, Snapshot, ids_in

RULES: Final = Rules()
_HUB: Final = "Microsoft.EventHub/namespaces/eventhubs"
_QUEUE: Final = "Microsoft.ServiceBus/namespaces/queues"
ROLES: Final = {
    "090c5cfd-751d-490a-894a-3ce6f1109419": "Azure Service Bus Data Owner",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "0ad04412-c4d5-4796-b79c-f76d14c8d402": "Durable Task Data Contributor",
    "2b629674-e913-4c01-ae53-ef4638d8f975": "Azure Event Hubs Data Sender",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "a638d3c7-ab3a-418d-83e6-5f17a39d4fde": "Azure Event Hubs Data Receiver",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "c088a766-074b-43ba-90d4-1fb21feae531": "PostgreSQL Flexible Server Long Term Retention Backup Role",
    "fd53cd77-2268-407a-8f46-7e7863d0f521": "SignalR REST API Owner",
}
"""learn.microsoft.com/azure/role-based-access-control/built-in-roles. Only what is needed; nothing that manages."""

WANTED: Final = {
    # What a function app does with each service. Owner of a queue: only owners may count its messages.
    ("app", "Microsoft.DurableTask/schedulers/taskHubs", "", "Durable Task Data Contributor"),
    ("app", _HUB, "market-ticks", "Azure Event Hubs Data Receiver"),
    ("app", "Microsoft.Insights/components", "", "Monitoring Metrics Publisher"),
    ("app", "Microsoft.KeyVault/vaults", "", "Key Vault Secrets User"),
    ("app", _QUEUE, "exchange-requests", "Azure Service Bus Data Owner"),
    ("app", _QUEUE, "execution-reports", "Azure Service Bus Data Owner"),
    ("app", "Microsoft.SignalRService/signalR", "", "SignalR REST API Owner"),
    ("app", "Microsoft.Storage/storageAccounts", "", "Storage Blob Data Owner"),
    ("app", "Microsoft.Storage/storageAccounts", "", "Storage Queue Data Contributor"),
    ("app", "Microsoft.Storage/storageAccounts", "", "Storage Table Data Contributor"),
    # Who speaks for the exchange at the other end.
    ("exchange", _QUEUE, "exchange-requests", "Azure Service Bus Data Receiver"),
    ("exchange", _QUEUE, "execution-reports", "Azure Service Bus Data Sender"),
    ("exchange", _HUB, "market-ticks", "Azure Event Hubs Data Sender"),
}
"""(holder, type of the scope, its name where it matters, role)."""

_VAULT: Final = {
    ("backup vault", "Microsoft.DBforPostgreSQL/flexibleServers", "", ROLES["c088a766-074b-43ba-90d4-1fb21feae531"]),
    ("backup vault", "Microsoft.Resources/resourceGroups", "", "Reader"),
}
_NAMED: Final = {_QUEUE, _HUB}


def app_identities(snapshot: Snapshot) -> dict[str, Resource]:
    """The app by the id of its identity, in lower case."""
    return {
        identity.lower(): site
        for site in snapshot.of("Microsoft.Web/sites")
        for identity in site.get("identity.userAssignedIdentities") or {}
    }


def _kind(snapshot: Snapshot, holder: Resource) -> str:
    if holder.id.lower() in app_identities(snapshot):
        return "app"
    if holder.type == "Microsoft.DataProtection/backupVaults":
        return "backup vault"
    return "exchange" if holder.name.endswith("-exchange") else "nobody known"


def _held(snapshot: Snapshot) -> Iterator[tuple[Resource, Resource | None, Resource | None, str]]:
    """Assignment, holder, scope and role of every role assignment."""
    for assignment in snapshot.of("Microsoft.Authorization/roleAssignments"):
        role = str(assignment.get("properties.roleDefinitionId")).rsplit("/", 1)[1]
        holder = snapshot.holder(assignment.get("properties.principalId"))
        yield assignment, holder, snapshot.find(assignment.scope), ROLES.get(role, role)


@RULES.add("Every role beyond the table is a way to do harm that nobody needs; roles of management are never in it.")
def roles_are_those_of_the_table(snapshot: Snapshot) -> Iterator[str]:
    allowed = WANTED | _VAULT
    for assignment, holder, scope, role in _held(snapshot):
        if holder is None or scope is None:
            yield f"{assignment}: held by {holder} on {scope}"
            continue
        row = (_kind(snapshot, holder), scope.type, scope.name if scope.type in _NAMED else "", role)
        if row not in allowed:
            yield f"{assignment}: {holder} holds {role} on {scope}"
        if assignment.get("properties.principalType") != "ServicePrincipal":
            yield f"{assignment}: without its principal type the first deployment fails at times"


@RULES.add("A role that is missing shows first in production, as a 403 of the service.")
def every_identity_has_its_roles(snapshot: Snapshot) -> Iterator[str]:
    held = {
        (holder.id, scope.type, scope.name if scope.type in _NAMED else "", role)
        for _, holder, scope, role in _held(snapshot)
        if holder is not None and scope is not None
    }
    for identity in snapshot.of("Microsoft.ManagedIdentity/userAssignedIdentities"):
        kind = _kind(snapshot, identity)
        if kind == "nobody known":
            yield f"{identity}: is used by nobody"
        for who, scope_type, name, role in WANTED:
            if who == kind and (identity.id, scope_type, name, role) not in held:
                yield f"{identity}: lacks {role} on {scope_type} {name}"
    for vault in snapshot.of("Microsoft.DataProtection/backupVaults"):
        for _, scope_type, name, role in _VAULT:
            if (vault.id, scope_type, name, role) not in held:
                yield f"{vault}: lacks {role} on {scope_type}"


@RULES.add("Identities of one cell, or of one colour, must not reach into another's: that is what cells are for.")
def roles_stay_in_the_cell_and_the_colour(snapshot: Snapshot) -> Iterator[str]:
    own = _own_resources(snapshot)
    for assignment, holder, scope, role in _held(snapshot):
        if holder is None or scope is None:
            continue
        group = scope.name if scope.type == "Microsoft.Resources/resourceGroups" else scope.group
        if holder.group != group:
            yield f"{assignment}: {holder} holds {role} on {scope}, outside its resource group"
        owner = own.get(scope.id.lower())
        if owner is not None and holder.id.lower() != owner:
            yield f"{assignment}: {holder} holds {role} on {scope}, which is another app's"


def _own_resources(snapshot: Snapshot) -> dict[str, str]:
    """The identity whose app alone uses a resource: its storage account and its task hub."""
    own: dict[str, str] = {}
    for identity, site in app_identities(snapshot).items():
        settings = snapshot.settings(site)
        for resource in snapshot.of("Microsoft.Storage/storageAccounts", "Microsoft.DurableTask/schedulers/taskHubs"):
            storage = resource.name == settings.get("AzureWebJobsStorage__accountName")
            hub = resource.name == settings.get("AzureFunctionsJobHost__extensions__durableTask__hubName")
            if resource.group == site.group and (storage or hub):
                own[resource.id.lower()] = identity
    return own


@RULES.add("An app with two identities, or with another app's, cannot be distinguished in any log.")
def each_app_has_one_identity_of_its_own(snapshot: Snapshot) -> Iterator[str]:
    used: Counter[str] = Counter()
    for site in snapshot.of("Microsoft.Web/sites"):
        identities = [identity.lower() for identity in site.get("identity.userAssignedIdentities") or {}]
        used.update(identities)
        if site.get("identity.type") != "UserAssigned" or len(identities) != 1:
            yield f"{site}: has {site.get('identity.type')} {identities}"
            continue
        for what, found in _identities_in_use(snapshot, site):
            if str(found).lower() != identities[0]:
                yield f"{site}: {what} uses {found}"
    for identity, times in used.items():
        if times > 1:
            yield f"{identity}: is shared by {times} apps"


_SIGNS_IN: Final = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_CLIENT_ID",
    "AzureWebJobsStorage__clientId",
    "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
    "EVENT_HUBS_CONNECTION__clientId",
    "SERVICE_BUS_CONNECTION__clientId",
}
_DEPLOYS: Final = "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId"


def _identities_in_use(snapshot: Snapshot, site: Resource) -> Iterator[tuple[str, object]]:
    """What an app signs in with, wherever that is configured."""
    settings = snapshot.settings(site)
    for name in _SIGNS_IN | {name for name in settings if name.endswith("__clientId")}:
        holder = snapshot.holder(settings.get(name))
        yield name, holder and holder.id
    for path in ("properties.keyVaultReferenceIdentity", _DEPLOYS):
        yield path, site.get(path)
    for name, value in settings.items():
        if name.endswith("__credential") and value != "managedidentity":
            yield name, value


@RULES.add("The roles of Cosmos DB and Redis are kept by these services themselves, and count as much.")
def data_roles_are_narrow(snapshot: Snapshot) -> Iterator[str]:
    apps = app_identities(snapshot)
    held = {service: set(_data_roles(snapshot, kind, path)) for service, (kind, path) in _DATA_ROLES.items()}
    for service, holders in held.items():
        if holders != apps.keys():
            yield f"{service} is open to {sorted(holders)}, the apps are {sorted(apps)}"
    for assignment in snapshot.of(_DATA_ROLES["Cosmos DB"][0]):
        scope, role = str(assignment.get("properties.scope")), str(assignment.get("properties.roleDefinitionId"))
        if "/dbs/" not in scope or not scope.startswith(assignment.parent):
            yield f"{assignment}: its scope is {scope}, wider than a database"
        if not role.endswith("/00000000-0000-0000-0000-000000000002"):
            yield f"{assignment}: gives {role}"
    for assignment in snapshot.of(_DATA_ROLES["Redis"][0]):
        holder = snapshot.holder(assignment.get("properties.user.objectId"))
        if holder is None or holder.group != assignment.group:
            yield f"{assignment}: is held by {holder}, of another cell"


_DATA_ROLES: Final = {
    "Cosmos DB": ("Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments", "properties.principalId"),
    "Redis": ("Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments", "properties.user.objectId"),
}


def _data_roles(snapshot: Snapshot, kind: str, path: str) -> Iterator[str]:
    for assignment in snapshot.of(kind):
        holder = snapshot.holder(assignment.get(path))
        yield holder.id.lower() if holder else str(assignment.get(path))


@RULES.add("An id that nothing has is a link that broke: the deployment fails half-way, or a service is never found.")
def every_resource_that_is_named_exists(snapshot: Snapshot) -> Iterator[str]:
    subnets, known = snapshot.subnets(), set(snapshot.by_id)
    for resource in snapshot.resources:
        for named in ids_in({name: value for name, value in resource.raw.items() if name != "id"}):
            lowered = named.lower()
            if "/roledefinitions/" in lowered or "/sqlroledefinitions/" in lowered or "/providers/" not in lowered:
                continue
            # The scope of a role in Cosmos DB is a path below the account.
            if lowered not in known and lowered not in subnets and lowered.partition("/dbs/")[0] not in known:
                yield f"{resource}: names {named}, which does not exist"
