"""What operators depend on: diagnostics, locks, alerts, budgets, tags, places."""

from collections.abc import Iterator
from typing import Final

from infra.rules.catalogue import CATALOGUE
from infra.rules.rule import FILLED, Rules, at_least, differs, one_of
from infra.rules.snapshot import Resource, Snapshot

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
    wanted: dict[str, object] = {"properties.retentionInDays": at_least(least)}
    if snapshot.expected.protected:
        wanted["properties.workspaceCapping.dailyQuotaGb"] = -1
    yield from differs(snapshot.of("Microsoft.OperationalInsights/workspaces"), wanted)
    for component in snapshot.of("Microsoft.Insights/components"):
        kept = snapshot.find(component.get("properties.WorkspaceResourceId"))
        if kept is None or kept.location != component.location:
            yield f"{component}: keeps its telemetry in {component.get('properties.WorkspaceResourceId')}"
    for setting in snapshot.of(_SETTINGS):
        resource, target = snapshot.find(setting.scope), snapshot.find(setting.get("properties.workspaceId"))
        if resource is None or target is None or resource.location in {"", "global"}:
            continue
        if resource.location != target.location:
            yield f"{resource}: sends its logs to {target.location}"


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
    yield from differs(
        snapshot.of("Microsoft.Insights/actionGroups"),
        {"properties.enabled": True, "properties.emailReceivers": FILLED},
    )
    alerts = snapshot.of("Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules")
    yield from differs(alerts, {"properties.enabled": True, "properties.severity": one_of(0, 1, 2)})
    for alert in alerts:
        actions = alert.get("properties.actions")
        called = [each["actionGroupId"] for each in actions] if isinstance(actions, list) else actions["actionGroups"]
        if not called or any(snapshot.find(each) is None for each in called):
            yield f"{alert}: calls {called}"
    watched = {scope.lower() for alert in alerts for scope in alert.get("properties.scopes") or []}
    for scope in watched:
        if snapshot.find(scope) is None:
            yield f"{scope}: is watched, but does not exist"
    for resource in snapshot.of(*_WATCHED):
        if resource.id.lower() not in watched:
            yield f"{resource}: no alert watches it"


_PERCENT: Final = {
    "ConnectionQuotaUtilization",
    "NormalizedRUConsumption",
    "cpu_percent",
    "storage_percent",
    "usedmemorypercentage",
}


@RULES.add("An alert that cannot fire is worse than none: it is counted on.")
def alerts_can_fire(snapshot: Snapshot) -> Iterator[str]:
    for alert in snapshot.of("Microsoft.Insights/metricAlerts"):
        for each in alert.get("properties.criteria.allOf"):
            if each["metricName"] in _PERCENT and not (_LEAST_PERCENT <= each["threshold"] <= _MOST_PERCENT):
                yield f"{alert}: fires at {each['threshold']} per cent"
            if each["metricName"] in _PERCENT and each["operator"] != "GreaterThan":
                yield f"{alert}: fires when it is {each['operator']} {each['threshold']} per cent"
    queries = snapshot.of("Microsoft.Insights/scheduledQueryRules")
    for alert in queries:
        for each in alert.get("properties.criteria.allOf"):
            if (each["operator"], each["threshold"]) != ("GreaterThan", 0) or "| where" not in each["query"]:
                yield f"{alert}: fires when more than {each['threshold']} rows are found"


_LEAST_PERCENT, _MOST_PERCENT = 50, 95


@RULES.add("A cost that nobody watches is found at the end of the month.")
def every_cell_has_a_budget(snapshot: Snapshot) -> Iterator[str]:
    budgets = {budget.group: budget for budget in snapshot.of("Microsoft.Consumption/budgets")}
    for group in snapshot.cells():
        if group not in budgets:
            yield f"{group}: has no budget"
    for budget in budgets.values():
        notifications = (budget.get("properties.notifications") or {}).values()
        informed = [
            each for each in notifications if each["enabled"] and (each["contactGroups"] or each["contactEmails"])
        ]
        kinds = {each["thresholdType"] for each in informed}
        if kinds != {"Actual", "Forecasted"} or budget.get("properties.timeGrain") != "Monthly":
            yield f"{budget}: nobody is notified in time"
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
        if resource.location not in _INDIA or resource.location not in snapshot.regions:
            yield f"{resource}: is in {resource.location}"
        replica = resource.name.partition("replica")[1] or "-replica-" in resource.id
        if resource.group in groups and resource.location != groups[resource.group] and not replica:
            yield f"{resource}: is in {resource.location}, its group in {groups[resource.group]}"


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
