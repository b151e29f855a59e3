"""Function apps: plan, scale, settings; what two colours must not share; what database and region bear."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from infra.functions import triggers
from infra.rules.data import is_replica
from infra.rules.rule import Rules, at_least, differs, one_of
from infra.rules.snapshot import Resource, Snapshot

RULES: Final = Rules()
TRIGGERED: Final = "function:"
_SERVER: Final = "Microsoft.DBforPostgreSQL/flexibleServers"
CONNECTIONS: Final = {
    "Standard_B1ms": 35,
    "Standard_B2s": 414,
    "Standard_D2ds_v5": 844,
    "Standard_D4ds_v5": 1703,
    "Standard_D8ds_v5": 3422,
    "Standard_D16ds_v5": 4985,
    "Standard_E2ds_v5": 1703,
    "Standard_E4ds_v5": 3422,
    "Standard_E8ds_v5": 4985,
    "Standard_E16ds_v5": 4985,
    "Standard_E32ds_v5": 4985,
}
"""Connections of apps: Azure's default for the size less the 15 that it keeps for itself
(learn.microsoft.com/azure/postgresql/flexible-server/concepts-limits)."""
CORES: Final = {512: 0.25, 2048: 1.0, 4096: 2.0}
"""Cores of an instance by its memory in MB."""
_IN_TWO_ZONES: Final = 2
QUOTA: Final = 250
"""Cores of Flex Consumption in a region and subscription, unless a ticket raised it."""


def _plan(snapshot: Snapshot, site: Resource) -> Resource | None:
    return snapshot.find(site.get("properties.serverFarmId"))


def _scale(site: Resource, name: str) -> int:
    return int(site.get(f"properties.functionAppConfig.scaleAndConcurrency.{name}") or 0)


def _always_ready(site: Resource) -> dict[str, int]:
    listed = site.get("properties.functionAppConfig.scaleAndConcurrency.alwaysReady") or []
    return {each["name"]: each["instanceCount"] for each in listed}


def _open_functions(snapshot: Snapshot, site: Resource) -> set[str]:
    """Functions that something other than HTTP or Durable triggers, and that are not switched off."""
    settings = snapshot.settings(site)
    return {name for name in triggers() if settings.get(f"AzureWebJobs.{name}.Disabled") != "true"}


@RULES.add("A Flex Consumption plan takes one app; without a concurrency Python serves one request at a time.")
def apps_run_on_flex_consumption(snapshot: Snapshot) -> Iterator[str]:
    sites, plans = snapshot.of("Microsoft.Web/sites"), snapshot.of("Microsoft.Web/serverfarms")
    yield from differs(plans, {"sku": {"name": "FC1", "tier": "FlexConsumption"}, "properties.reserved": True})
    yield from differs(sites, _FLEX)
    for site in sites:
        if not _FEWEST <= _scale(site, "maximumInstanceCount") <= _MOST:
            yield f"{site}: at most {_scale(site, 'maximumInstanceCount')} instances, of which Azure takes 40 to 1000"
        if {each.name for each in snapshot.parts(site, "basicPublishingCredentialsPolicies")} != {"ftp", "scm"}:
            yield f"{site}: says nothing about publishing with a password"
    for plan in plans:
        apps = [site for site in sites if str(site.get("properties.serverFarmId")).lower() == plan.id.lower()]
        if len(apps) != 1:
            yield f"{plan}: has {len(apps)} apps"


_FEWEST, _MOST = 40, 1000
_CONFIG: Final = "properties.functionAppConfig"
_FLEX: Final = {
    f"{_CONFIG}.runtime": {"name": "python", "version": "3.13"},
    f"{_CONFIG}.scaleAndConcurrency.instanceMemoryMB": one_of(*CORES),
    f"{_CONFIG}.scaleAndConcurrency.triggers.http.perInstanceConcurrency": at_least(50),
    f"{_CONFIG}.deployment.storage.type": "blobContainer",
    f"{_CONFIG}.deployment.storage.authentication.type": "UserAssignedIdentity",
    "properties.siteConfig.ftpsState": "Disabled",
    "properties.siteConfig.remoteDebuggingEnabled": False,
    "properties.siteConfig.cors.allowedOrigins": [],
    "properties.siteConfig.cors.supportCredentials": False,
}


@RULES.add("With zone redundancy Azure bills two instances of every scale group, also of those that nobody asked for.")
def every_scale_group_has_instances_ready(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.expected.zone_redundant:
        return
    for site in snapshot.of("Microsoft.Web/sites"):
        ready = _always_ready(site)
        wanted = {"http", "durable", *(f"{TRIGGERED}{name}" for name in _open_functions(snapshot, site))}
        for group in sorted(wanted | ready.keys()):
            if group not in wanted:
                yield f"{site}: keeps instances for {group}, which nothing triggers"
            elif ready.get(group, 0) < _IN_TWO_ZONES:
                yield f"{site}: {ready.get(group, 0)} instances of {group} are ready"


@RULES.add(
    "Apps on one task hub take each other's activities; with one host id or storage they share leases and timers."
)
def colours_share_nothing_of_their_hosts(snapshot: Snapshot) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for site in snapshot.of("Microsoft.Web/sites"):
        for what, value in _own(snapshot, site).items():
            if not value:
                yield f"{site}: has no {what}"
            elif (other := seen.setdefault((what, value), site.id)) != site.id:
                yield f"{site}: shares its {what} with {other}"
        if len(_own(snapshot, site)["host id"]) > _LONGEST_HOST_ID:
            yield f"{site}: its host id is longer than {_LONGEST_HOST_ID} characters, where the host cuts it"


_LONGEST_HOST_ID: Final = 32


def _own(snapshot: Snapshot, site: Resource) -> dict[str, str]:
    """What its host keeps state in: each belongs to this app alone."""
    settings = snapshot.settings(site)
    hub, storage = settings.get(HUB, ""), settings.get("AzureWebJobsStorage__accountName", "")
    return {
        "host id": settings.get("AzureFunctionsWebHost__hostid", ""),
        "storage": storage if _exists(snapshot, site, "Microsoft.Storage/storageAccounts", storage) else "",
        "task hub": f"{site.group}/{hub}"
        if _exists(snapshot, site, "Microsoft.DurableTask/schedulers/taskHubs", hub)
        else "",
    }


def _exists(snapshot: Snapshot, site: Resource, kind: str, name: str) -> bool:
    """Whether the app's cell has a resource of this name."""
    return any(each.name == name and each.group == site.group for each in snapshot.of(kind))


HUB: Final = "AzureFunctionsJobHost__extensions__durableTask__hubName"


@RULES.add("Sagas of one colour, or packages, that end up with the other one are run by the wrong code.")
def apps_use_the_hub_and_storage_of_their_colour(snapshot: Snapshot) -> Iterator[str]:
    for site in snapshot.of("Microsoft.Web/sites"):
        settings = snapshot.settings(site)
        hub, storage = settings.get(HUB), settings.get("AzureWebJobsStorage__accountName")
        connection = settings.get("DURABLE_TASK_SCHEDULER_CONNECTION_STRING", "")
        packages = str(site.get(f"{_CONFIG}.deployment.storage.value"))
        if site.get("tags.colour") != hub:
            yield f"{site}: is {site.get('tags.colour')} but uses the task hub {hub}"
        if (
            "TaskHub=" not in connection
            or f"'{hub}'" not in connection
            or "Authentication=ManagedIdentity" not in connection
        ):
            yield f"{site}: its connection to the scheduler is {connection}"
        if f"/{storage}'" not in packages:
            yield f"{site}: its packages lie in another account: {packages}"
        if settings.get("AzureWebJobsStorage__credential") != "managedidentity" or "AzureWebJobsStorage" in settings:
            yield f"{site}: the host reaches its storage without its identity"


_OWN_SERVICES: Final = {
    "POSTGRES_URL": (_SERVER, "postgresql://"),
    "REDIS_URL": ("Microsoft.Cache/redisEnterprise", "rediss://"),
    "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace": ("Microsoft.ServiceBus/namespaces", ""),
    "EVENT_HUBS_CONNECTION__fullyQualifiedNamespace": ("Microsoft.EventHub/namespaces", ""),
    "SIGNALR_CONNECTION__serviceUri": ("Microsoft.SignalRService/signalR", "https://"),
    "APPLICATIONINSIGHTS_CONNECTION_STRING": ("Microsoft.Insights/components", ""),
    "DURABLE_TASK_SCHEDULER_CONNECTION_STRING": ("Microsoft.DurableTask/schedulers", ""),
}


@RULES.add("An app that writes into another cell's database or queues makes two truths of one user.")
def apps_use_the_services_of_their_cell(snapshot: Snapshot) -> Iterator[str]:
    for site in snapshot.of("Microsoft.Web/sites"):
        settings = snapshot.settings(site)
        for name, (kind, scheme) in _OWN_SERVICES.items():
            own = [each.name for each in snapshot.of(kind) if each.group == site.group and not is_replica(each)]
            value = settings.get(name, "")
            if not any(_names(value, each) for each in own) or scheme not in value:
                yield f"{site}: {name} is {value}, its cell has {own}"
        if "sslmode=verify-full" not in settings.get("POSTGRES_URL", ""):
            yield f"{site}: does not check the certificate of its database"
        accounts = [each.name for each in snapshot.of("Microsoft.DocumentDB/databaseAccounts")]
        databases = {each.name for each in snapshot.of("Microsoft.DocumentDB/databaseAccounts/sqlDatabases")}
        endpoint = settings.get("COSMOS_CONNECTION__accountEndpoint", "")
        if not any(_names(endpoint, each) for each in accounts) or settings.get("COSMOS_DATABASE") not in databases:
            yield f"{site}: reads its models from {settings.get('COSMOS_DATABASE')} of {endpoint}"


def _names(value: str, name: str) -> bool:
    """Whether a value is about a resource, by its address or by a reference to it."""
    return f"/{name}'" in value or value.startswith(f"{name}.")


@RULES.add("In one cell exactly one colour may take from the queues and run the timers: two would do the work of both.")
def one_colour_is_triggered(snapshot: Snapshot) -> Iterator[str]:
    by_cell: dict[str, list[Resource]] = defaultdict(list)
    for site in snapshot.of("Microsoft.Web/sites"):
        by_cell[site.group].append(site)
        closed = {
            name.removeprefix("AzureWebJobs.").removesuffix(".Disabled")
            for name in snapshot.settings(site)
            if name.startswith("AzureWebJobs.")
        }
        if closed and closed != triggers().keys():
            yield f"{site}: only some of its triggers are closed: {sorted(closed)}"
    for cell, sites in by_cell.items():
        triggered = [site.name for site in sites if _open_functions(snapshot, site)]
        if len(triggered) != 1:
            yield f"{cell}: triggers are open in {triggered}"


@RULES.add("A server refuses connections above its limit, and with them orders: pools times instances must fit.")
def pools_fit_the_database(snapshot: Snapshot) -> Iterator[str]:
    for server in snapshot.of(_SERVER):
        if is_replica(server):
            continue
        most = CONNECTIONS.get(str(server.get("sku.name")))
        if most is None:
            yield f"{server}: {server.get('sku.name')} is not in the table of connections"
            continue
        wanted = sum(
            _most_instances(snapshot, site) * int(snapshot.settings(site).get("POSTGRES_POOL", "8"))
            for site in snapshot.of("Microsoft.Web/sites")
            if site.group == server.group
        )
        if wanted > most:
            yield f"{server}: apps may open {wanted} connections, it takes {most}"


def _most_instances(snapshot: Snapshot, site: Resource) -> int:
    """Over all scale groups. A timer runs in one instance, by a lease; those that are always ready connect too."""
    most, ready = _scale(site, "maximumInstanceCount"), _always_ready(site)
    functions = _open_functions(snapshot, site)
    timers = {name for name in functions if triggers()[name]["type"] == "timerTrigger"}
    ones = sum(max(1, ready.get(f"{TRIGGERED}{name}", 0)) for name in timers)
    return most * (2 + len(functions - timers)) + ones


@RULES.add(
    "Core 251 is refused: what is always ready must leave half of the quota for load, and for the loss of a region."
)
def cores_fit_the_quota(snapshot: Snapshot) -> Iterator[str]:
    ready: Counter[str] = Counter()
    for site in snapshot.of("Microsoft.Web/sites"):
        ready[site.location] += sum(_always_ready(site).values()) * CORES.get(_scale(site, "instanceMemoryMB"), 0)  # type: ignore[assignment]
    for location, cores in ready.items():
        if cores > QUOTA / 2:
            yield f"{location}: {cores} cores are always ready, of {QUOTA}"


@RULES.add("A preview can change or end without notice, and nobody answers for it.")
def nothing_is_a_preview(snapshot: Snapshot) -> Iterator[str]:
    for resource in snapshot.resources:
        version = str(resource.raw.get("apiVersion"))
        # Diagnostic settings have no other version with groups of categories.
        if "preview" in version and resource.type != "Microsoft.Insights/diagnosticSettings":
            yield f"{resource}: {version}"
    for site in snapshot.of("Microsoft.Web/sites"):
        if site.get("properties.functionAppConfig.siteUpdateStrategy"):
            yield f"{site}: rolling updates are a preview"
    for server in snapshot.of(_SERVER):
        if server.get("properties.storage.type") not in {"Premium_LRS", None}:
            yield f"{server}: {server.get('properties.storage.type')} is a preview"
