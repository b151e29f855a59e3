"""What operators depend on: diagnostics, locks, alerts, budgets, tags, places."""

from collections.abc import Iterator
from typing import Final

from tests.infra.catalogue import CATALOGUE
from tests.infra.rules.rule import Rules
from tests.infra.snapshot import Resource, Snapshot

RULES: Final = Rules()
_SETTINGS: Final = "Microsoft.Insights/diagnosticSettings"
_INDIA: Final = {"centralindia", "indiasouthcentral", "southindia", "westindia"}
_UNTAGGED: Final = {
    "Microsoft.Authorization/locks",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Consumption/budgets",
    "Microsoft.Insights/diagnosticSettings",
}
_WATCHED: Final = {
    "Microsoft.Cache/redisEnterprise",
    "Microsoft.DBforPostgreSQL/flexibleServers",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.EventHub/namespaces",
    "Microsoft.Insights/components",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.SignalRService/signalR",
}


@RULES.add("What is not logged cannot be found out afterwards; regulators ask who did what for half a year.")
def every_service_sends_its_diagnostics(snapshot: Snapshot) -> Iterator[str]:
    about: dict[str, list[Resource]] = {}
    for setting in snapshot.of(_SETTINGS):
        about.setdefault(setting.scope, []).append(setting)
        workspace = snapshot.find(setting.get("properties.workspaceId"))
        if workspace is None or workspace.type != "Microsoft.OperationalInsights/workspaces":
            yield f"{setting}: goes to {setting.get('properties.workspaceId')}"
    for resource in snapshot.resources:
        facts, settings = CATALOGUE.get(resource.type), about.get(resource.id, [])
        if facts is None:
            continue
        if facts.logs and not any(_all_logs(setting) for setting in settings):
            yield f"{resource}: does not send all of its logs"
        if facts.metrics and not any(_metrics(setting) for setting in settings):
            yield f"{resource}: does not send its metrics"


def _all_logs(setting: Resource) -> bool:
    logs = setting.get("properties.logs") or []
    return any(each.get("categoryGroup") == "allLogs" and each.get("enabled") is True for each in logs)


def _metrics(setting: Resource) -> bool:
    metrics = setting.get("properties.metrics") or []
    return any(
        each.get("category") in {"AllMetrics", "Transaction"} and each.get("enabled") is True for each in metrics
    )


@RULES.add("Logs of a region must not get lost with another one, and must be kept as long as the environment says.")
def logs_stay_in_their_region(snapshot: Snapshot) -> Iterator[str]:
    least = 180 if snapshot.expected.protected else 30
    for workspace in snapshot.of("Microsoft.OperationalInsights/workspaces"):
        if (workspace.get("properties.retentionInDays") or 0) < least:
            yield f"{workspace}: keeps logs for {workspace.get('properties.retentionInDays')} days"
        quota = workspace.get("properties.workspaceCapping.dailyQuotaGb")
        if snapshot.expected.protected and quota != -1:
            yield f"{workspace}: stops taking logs after {quota} GB a day"
    for setting in snapshot.of(_SETTINGS):
        resource, workspace = snapshot.find(setting.scope), snapshot.find(setting.get("properties.workspaceId"))
        if resource is None or workspace is None or resource.location in {"", "global"}:
            continue
        if resource.location != workspace.location:
            yield f"{resource}: sends its logs to {workspace.location}"


@RULES.add("One wrong click must not delete the books, or what cannot be made again.")
def what_holds_data_is_locked(snapshot: Snapshot) -> Iterator[str]:
    for lock in snapshot.of("Microsoft.Authorization/locks"):
        if lock.get("properties.level") != "CanNotDelete":
            yield f"{lock}: {lock.get('properties.level')} stops deployments too"
    if not snapshot.expected.protected:
        return
    for resource in snapshot.resources:
        facts = CATALOGUE.get(resource.type)
        if facts is not None and facts.holds and not snapshot.about(resource, "Microsoft.Authorization/locks"):
            yield f"{resource}: is not locked"


@RULES.add("A service that fails without anybody being called fails for longer.")
def somebody_is_called(snapshot: Snapshot) -> Iterator[str]:
    groups = {group.id.lower(): group for group in snapshot.of("Microsoft.Insights/actionGroups")}
    for group in groups.values():
        if not group.get("properties.enabled") or not group.get("properties.emailReceivers"):
            yield f"{group}: calls nobody"
    watched: set[str] = set()
    for alert in snapshot.of("Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules"):
        watched.update(scope.lower() for scope in alert.get("properties.scopes") or [])
        actions = alert.get("properties.actions")
        called = [each["actionGroupId"] for each in actions] if isinstance(actions, list) else actions["actionGroups"]
        if not alert.get("properties.enabled") or not called or any(each.lower() not in groups for each in called):
            yield f"{alert}: calls nobody"
        if alert.get("properties.severity") not in {0, 1, 2}:
            yield f"{alert}: severity {alert.get('properties.severity')} wakes nobody"
    for resource in snapshot.of(*_WATCHED):
        if resource.id.lower() not in watched:
            yield f"{resource}: no alert watches it"


@RULES.add("A cost that nobody watches is found at the end of the month.")
def every_cell_has_a_budget(snapshot: Snapshot) -> Iterator[str]:
    budgets = {budget.group: budget for budget in snapshot.of("Microsoft.Consumption/budgets")}
    for group in snapshot.cells():
        if group not in budgets:
            yield f"{group}: has no budget"
    for budget in budgets.values():
        notifications = (budget.get("properties.notifications") or {}).values()
        told = [each for each in notifications if each["enabled"] and (each["contactGroups"] or each["contactEmails"])]
        kinds = {each["thresholdType"] for each in told}
        if kinds != {"Actual", "Forecasted"} or budget.get("properties.timeGrain") != "Monthly":
            yield f"{budget}: nobody hears of it in time"
        if (budget.get("properties.amount") or 0) <= 0:
            yield f"{budget}: has no amount"


@RULES.add("Costs, owners and cells are found by tags.")
def resources_are_tagged(snapshot: Snapshot) -> Iterator[str]:
    cells = snapshot.cells()
    for resource in snapshot.resources:
        # Parts of a resource have its tags.
        if not resource.location or resource.type in _UNTAGGED:
            continue
        if resource.get("tags.environment") != snapshot.environment or not resource.get("tags.workload"):
            yield f"{resource}: tags {resource.get('tags')}"
        elif resource.group in cells and not resource.get("tags.cell"):
            yield f"{resource}: is in a cell but not tagged with it"


@RULES.add("Data of Indian investors stays in India (SEBI, 6 March 2023), and a cell in its region.")
def everything_is_in_its_region(snapshot: Snapshot) -> Iterator[str]:
    groups = {group.name: group.location for group in snapshot.of("Microsoft.Resources/resourceGroups")}
    for resource in snapshot.resources:
        if resource.location in {"", "global"}:
            continue
        if resource.location not in _INDIA or resource.location not in snapshot.expected.regions:
            yield f"{resource}: is in {resource.location}"
        replica = resource.name.partition("replica")[1] or "-replica-" in resource.id
        if resource.group in groups and resource.location != groups[resource.group] and not replica:
            yield f"{resource}: is in {resource.location}, its group in {groups[resource.group]}"
    used = {resource.location for resource in snapshot.resources} - {"", "global"}
    if used != set(snapshot.expected.regions):
        yield f"regions in use are {sorted(used)}"


@RULES.add("A name that is too long is refused at the deployment, half-way.")
def names_are_as_azure_takes_them(snapshot: Snapshot) -> Iterator[str]:
    longest = {
        "Microsoft.ApiManagement/service": 50,
        "Microsoft.Cache/redisEnterprise": 60,
        "Microsoft.DBforPostgreSQL/flexibleServers": 63,
        "Microsoft.DocumentDB/databaseAccounts": 44,
        "Microsoft.EventHub/namespaces": 50,
        "Microsoft.KeyVault/vaults": 24,
        "Microsoft.ServiceBus/namespaces": 50,
        "Microsoft.SignalRService/signalR": 63,
        "Microsoft.Storage/storageAccounts": 24,
        "Microsoft.Web/sites": 60,
    }
    for resource in snapshot.of(*longest):
        if len(resource.name) > longest[resource.type] or resource.name != resource.name.lower():
            yield f"{resource}: {len(resource.name)} characters, of which {longest[resource.type]} are taken"
    for diagnostic in snapshot.diagnostics:
        yield f"the compiler says: {diagnostic}"
