"""Databases, queues, hubs, caches: what is kept, how long, in how many places, and what Azure takes together."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.rules.catalogue import facts
from infra.rules.rule import FILLED, Rules, at_least, differs, one_of
from infra.rules.snapshot import Resource, Snapshot

RULES: Final = Rules()
ROOT: Final = Path(__file__).parents[2]
_SERVER: Final = "Microsoft.DBforPostgreSQL/flexibleServers"
_ISO_DAYS: Final = re.compile(r"P(\d+)([DWMY])")
_DAYS: Final = {"D": 1, "W": 7, "M": 30, "Y": 365}
_MAINTENANCE: Final = timedelta(hours=1)
_A_YEAR: Final = 365


@RULES.add("A zone fails every few years; what is not in a second one is then down, for hours.")
def services_are_spread_over_zones(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.expected.zone_redundant:
        return
    for resource in snapshot.resources:
        yield from differs([resource], {f"properties.{path}": value for path, value in facts(resource).zones})
    for account in snapshot.of("Microsoft.DocumentDB/databaseAccounts"):
        if any(place.get("isZoneRedundant") is not True for place in account.properties["locations"]):
            yield f"{account}: a region of it is in one zone"
    for vault in snapshot.of("Microsoft.DataProtection/backupVaults"):
        if any(each["type"] == "LocallyRedundant" for each in vault.get("properties.storageSettings")):
            yield f"{vault}: keeps backups in one zone"
    for kind, wanted in _IN_ZONES.items():
        yield from differs(snapshot.of(kind), wanted)


_IN_ZONES: Final[dict[str, dict[str, object]]] = {
    "Microsoft.ApiManagement/service": {"sku.name": "PremiumV2", "sku.capacity": at_least(2)},
    # Only the dedicated tier with three units is highly available.
    "Microsoft.DurableTask/schedulers": {"properties.sku": {"name": "Dedicated", "capacity": 3}},
    "Microsoft.Network/publicIPAddresses": {"zones": ["1", "2", "3"]},
    "Microsoft.SignalRService/signalR": {"sku.tier": "Premium"},
    "Microsoft.Storage/storageAccounts": {"sku.name": one_of("Standard_ZRS", "Standard_GZRS")},
}


def is_replica(server: Resource) -> bool:
    """Whether a database server follows another one."""
    return bool(server.get("properties.createMode") == "Replica")


@RULES.add("Azure's documents refuse these combinations, although the compiler takes them: the deployment fails late.")
def database_servers_are_legal(snapshot: Snapshot) -> Iterator[str]:
    for server in snapshot.of(_SERVER):
        mode = server.get("properties.highAvailability.mode")
        geo = server.get("properties.backup.geoRedundantBackup")
        if is_replica(server) and (mode != "Disabled" or geo != "Disabled"):
            yield f"{server}: a replica takes neither high availability nor geo-redundant backups"
        if server.get("sku.tier") == "Burstable" and mode != "Disabled":
            yield f"{server}: a burstable server takes no standby"
        if mode == "ZoneRedundant" and server.get("properties.highAvailability.standbyAvailabilityZone") == server.get(
            "properties.availabilityZone"
        ):
            yield f"{server}: its standby is in its own zone"
        if not str(server.get("sku.name")).startswith(_PREFIX_OF_TIER[str(server.get("sku.tier"))]):
            yield f"{server}: {server.get('sku.name')} is not of tier {server.get('sku.tier')}"
        if not is_replica(server) and server.get("properties.version") != "18":
            yield f"{server}: version {server.get('properties.version')}; migrations are tested with 18"
        if server.get("properties.authConfig.tenantId") is None:
            yield f"{server}: names no tenant"


_PREFIX_OF_TIER: Final = {
    "Burstable": "Standard_B",
    "GeneralPurpose": "Standard_D",
    "MemoryOptimized": "Standard_E",
}


@RULES.add("A server in one zone loses minutes of orders with it; without old backups no old fault can be undone.")
def databases_survive_a_zone_a_region_and_a_mistake(snapshot: Snapshot) -> Iterator[str]:
    expected = snapshot.expected
    servers = snapshot.of(_SERVER)
    for server in servers:
        kept = server.get("properties.backup.backupRetentionDays") or 0
        if kept < (35 if expected.protected else 7):
            yield f"{server}: can be restored to {kept} days ago"
        if is_replica(server):
            source = snapshot.find(server.get("properties.sourceServerResourceId"))
            if source is None or source.location == server.location or source.get("sku") != server.get("sku"):
                yield f"{server}: its source is {source}"
            continue
        if expected.zone_redundant and server.get("properties.highAvailability.mode") != "ZoneRedundant":
            yield f"{server}: has no standby in another zone"
        if expected.protected and server.get("properties.backup.geoRedundantBackup") != "Enabled":
            yield f"{server}: has no backup in another region"
        if expected.protected and not any(_follows(each, server) for each in servers):
            yield f"{server}: has no replica in another region"


def _follows(replica: Resource, server: Resource) -> bool:
    return str(replica.get("properties.sourceServerResourceId")).lower() == server.id.lower()


@RULES.add("Whoever can delete backups can extort; point-in-time restore ends after 35 days.")
def backups_cannot_be_deleted(snapshot: Snapshot) -> Iterator[str]:
    vaults = snapshot.of("Microsoft.DataProtection/backupVaults")
    yield from differs(vaults, {"properties.securitySettings.softDeleteSettings.state": "AlwaysOn"})
    for policy in snapshot.of("Microsoft.DataProtection/backupVaults/backupPolicies"):
        kept = [_retention_days(rule) for rule in policy.properties["policyRules"] if "lifecycles" in rule]
        if not kept or min(kept) < _A_YEAR:
            yield f"{policy}: keeps backups for {kept} days"
    if snapshot.expected.protected:
        yield from differs(vaults, {"properties.securitySettings.immutabilitySettings.state": "Locked"})
        backed = {
            instance.get("properties.dataSourceInfo.resourceID").lower()
            for instance in snapshot.of("Microsoft.DataProtection/backupVaults/backupInstances")
            if snapshot.find(instance.get("properties.policyInfo.policyId")) is not None
        }
        for server in snapshot.of(_SERVER):
            if not is_replica(server) and server.id.lower() not in backed:
                yield f"{server}: is backed up by no vault"


def _retention_days(rule: dict[str, Any]) -> int:
    found = _ISO_DAYS.fullmatch(rule["lifecycles"][0]["deleteAfter"]["duration"])
    return int(found[1]) * _DAYS[found[2]] if found else 0


@cache
def session_hours() -> tuple[time, time, frozenset[int]]:
    """Opening and closing in UTC, and weekdays (Monday is 0) of the exchange's regular sessions."""
    calendar = json.loads((ROOT / "shared/data/sessions.json").read_bytes())["calendars"]["nse"]["regular"][-1]
    names = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
    offset = timedelta(hours=5, minutes=30)
    opens, closes = (
        (datetime.strptime(calendar[key], "%H:%M") - offset).time()  # noqa: DTZ007 - a time of day
        for key in ("opens", "closes")
    )
    return opens, closes, frozenset(names.index(day) for day in calendar["weekdays"])


@RULES.add("Maintenance of a server ends connections for a minute or more: never while orders are taken.")
def maintenance_is_outside_of_sessions(snapshot: Snapshot) -> Iterator[str]:
    opens, closes, weekdays = session_hours()
    for server in snapshot.of(_SERVER):
        window = server.get("properties.maintenanceWindow") or {}
        if window.get("customWindow") != "Enabled":
            yield f"{server}: Azure chooses when it is maintained"
            continue
        # Azure counts days from Sunday.
        day = (window["dayOfWeek"] - 1) % 7
        starts = datetime(2024, 1, 1, window["startHour"], window["startMinute"])  # noqa: DTZ001 - a time of day
        ends = starts + _MAINTENANCE
        if day in weekdays and starts.time() < closes and ends.time() > opens:
            yield f"{server}: is maintained during the session"


@RULES.add("The server's own limits are the last ones that hold when an app forgets its own.")
def database_parameters_are_set(snapshot: Snapshot) -> Iterator[str]:
    for server in snapshot.of(_SERVER):
        found = {each.name: each.get("properties.value") for each in snapshot.parts(server, "configurations")}
        for name, values in _PARAMETERS.items():
            if not is_replica(server) and found.get(name) not in values:
                yield f"{server}: {name} is {found.get(name)}"
        administrators = [each.get("properties.principalType") for each in snapshot.parts(server, "administrators")]
        if administrators != ["Group"]:
            yield f"{server}: is administered by {administrators}, not by one group"
    for rule in snapshot.of(f"{_SERVER}/firewallRules"):
        addresses = (rule.get("properties.startIpAddress"), rule.get("properties.endIpAddress"))
        if snapshot.expected.private or addresses != _SERVICES_OF_AZURE:
            yield f"{rule}: lets {addresses} in"


_SERVICES_OF_AZURE: Final = ("0.0.0.0", "0.0.0.0")  # noqa: S104 - no address to listen at
_PARAMETERS: Final = {
    "require_secure_transport": {"on"},
    "ssl_min_protocol_version": {"TLSv1.2", "TLSv1.3"},
    "log_lock_waits": {"on"},
    "log_connections": {"on"},
    "log_disconnections": {"on"},
}


@RULES.add("Private endpoints, zones and steady throughput come with these tiers only.")
def tiers_offer_what_the_environment_needs(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.expected.private:
        for kind, wanted in _PRIVATE_TIERS.items():
            yield from differs(snapshot.of(kind), wanted)


_PRIVATE_TIERS: Final[dict[str, dict[str, object]]] = {
    "Microsoft.ApiManagement/service": {"sku.name": one_of("StandardV2", "PremiumV2")},
    "Microsoft.Cdn/profiles": {"sku.name": "Premium_AzureFrontDoor"},
    "Microsoft.EventHub/namespaces": {"sku.name": "Premium", "sku.tier": "Premium"},
    "Microsoft.ServiceBus/namespaces": {"sku.name": "Premium", "sku.tier": "Premium"},
}


@RULES.add(
    "Cells smaller than this do not carry the load that docs/sizing counts on; queues may not lose order or repeat."
)
def capacity_has_a_floor(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.expected.zone_redundant:
        return
    for kind, wanted in _FLOORS.items():
        yield from differs(snapshot.of(kind), wanted)
    for cluster in snapshot.of("Microsoft.Cache/redisEnterprise"):
        size = str(cluster.get("sku.name")).rpartition("_B")[2]
        if not size.isdigit() or int(size) < _SMALLEST_REDIS:
            yield f"{cluster}: {cluster.get('sku.name')} is smaller than Balanced_B{_SMALLEST_REDIS}"


_SMALLEST_REDIS: Final = 10
_FLOORS: Final[dict[str, dict[str, object]]] = {
    "Microsoft.ServiceBus/namespaces": {"sku.capacity": at_least(4)},
    "Microsoft.EventHub/namespaces": {"sku.capacity": at_least(1)},
    # Partitions can hardly be added later, and bound how many instances read side by side.
    "Microsoft.EventHub/namespaces/eventhubs": {
        "properties.partitionCount": at_least(32),
        "properties.retentionDescription.retentionTimeInHours": at_least(24),
    },
    "Microsoft.SignalRService/signalR": {"sku.capacity": at_least(10)},
    "Microsoft.ApiManagement/service": {"sku.capacity": at_least(2)},
    _SERVER: {
        "properties.storage.storageSizeGB": at_least(512),
        "properties.storage.autoGrow": "Enabled",
        "sku.tier": one_of("GeneralPurpose", "MemoryOptimized"),
    },
}


@RULES.add("A message that nobody read in time is looked at, never dropped; ids are remembered for a while at least.")
def unread_messages_are_kept(snapshot: Snapshot) -> Iterator[str]:
    yield from differs(
        snapshot.of("Microsoft.ServiceBus/namespaces/queues"),
        {"properties.deadLetteringOnMessageExpiration": True, "properties.maxDeliveryCount": at_least(5)},
    )


@RULES.add("A server or vault of another tenant takes tokens of strangers.")
def everything_trusts_the_tenant_of_the_deployment(snapshot: Snapshot) -> Iterator[str]:
    paths = ("properties.tenantId", "properties.authConfig.tenantId")
    found = {resource.id: tenant for resource in snapshot.resources for path in paths if (tenant := resource.get(path))}
    if len(set(found.values())) > 1:
        yield f"tenants are {found}"


@RULES.add("The client must be a cluster client with tokens; a full cache must say so, not forget silently.")
def redis_is_as_the_client_expects(snapshot: Snapshot) -> Iterator[str]:
    wanted = {"clusteringPolicy": "OSSCluster", "evictionPolicy": "NoEviction", "port": 10000}
    databases = snapshot.of("Microsoft.Cache/redisEnterprise/databases")
    yield from differs(databases, {f"properties.{path}": value for path, value in wanted.items()})
    for cluster in snapshot.of("Microsoft.Cache/redisEnterprise"):
        if not snapshot.parts(cluster, "databases"):
            yield f"{cluster}: has no database"


@RULES.add("Read models are written in every region; documents deleted by a fault must be there to restore.")
def cosmos_is_written_everywhere_and_backed_up(snapshot: Snapshot) -> Iterator[str]:
    many = len(snapshot.regions) > 1
    wanted = {
        "backupPolicy.type": "Continuous",
        "backupPolicy.continuousModeProperties.tier": f"Continuous{30 if snapshot.expected.protected else 7}Days",
        "enableMultipleWriteLocations": many,
        "enableAutomaticFailover": many,
        "networkAclBypass": "None",
        "consistencyPolicy.defaultConsistencyLevel": "Session",
    }
    accounts = snapshot.of("Microsoft.DocumentDB/databaseAccounts")
    yield from differs(accounts, {f"properties.{path}": value for path, value in wanted.items()})
    for account in accounts:
        places = tuple(place["locationName"] for place in account.properties["locations"])
        if places != snapshot.regions:
            yield f"{account}: is in {places}"
        if any(each.get("name") == "EnableServerless" for each in account.get("properties.capabilities") or []):
            yield f"{account}: serverless accounts live in one region"
    databases = snapshot.of("Microsoft.DocumentDB/databaseAccounts/sqlDatabases")
    yield from differs(databases, {"properties.options.autoscaleSettings.maxThroughput": FILLED})


@RULES.add("Nothing may be copied behind the broker's back, and clients of SignalR come from known origins alone.")
def push_is_serverless_for_known_origins(snapshot: Snapshot) -> Iterator[str]:
    for service in snapshot.of("Microsoft.SignalRService/signalR"):
        flags = {each["flag"]: each["value"] for each in service.get("properties.features") or []}
        if flags.get("ServiceMode") != "Serverless":
            yield f"{service}: is not serverless"
        if "*" in (service.get("properties.cors.allowedOrigins") or []):
            yield f"{service}: takes connections from pages of any origin"
        tier = service.get("sku.tier")
        if not str(service.get("sku.name")).startswith(tier):
            yield f"{service}: {service.get('sku.name')} is not of tier {tier}"
    for namespace in snapshot.of("Microsoft.ServiceBus/namespaces", "Microsoft.EventHub/namespaces"):
        if namespace.get("properties.geoDataReplication") is not None:
            yield f"{namespace}: is copied to another region, where a second truth would begin"
