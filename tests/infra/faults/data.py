"""Databases, queues, hubs, caches: what goes wrong, and the rule that must find it."""

from typing import Final

from tests.infra.mutations import Mutation, drop, put

_PG: Final = "Microsoft.DBforPostgreSQL/flexibleServers"
_APIM: Final = "Microsoft.ApiManagement/service"
_COSMOS: Final = "Microsoft.DocumentDB/databaseAccounts"
_STORAGE: Final = "Microsoft.Storage/storageAccounts"
_AFD: Final = "Microsoft.Cdn/profiles"
_VAULT: Final = "Microsoft.DataProtection/backupVaults"


FAULTS: Final = (
    Mutation(
        "unread_messages_are_kept",
        "dropped",
        put("Microsoft.ServiceBus/namespaces/queues", "properties.deadLetteringOnMessageExpiration", False),
        "dev",
    ),
    Mutation(
        "everything_trusts_the_tenant_of_the_deployment",
        "vault",
        put("Microsoft.KeyVault/vaults", "properties.tenantId", "11111111-1111-4111-8111-111111111111"),
    ),
    Mutation("services_are_spread_over_zones", "storage", put(_STORAGE, "sku.name", "Standard_LRS")),
    Mutation(
        "services_are_spread_over_zones", "Cosmos DB", put(_COSMOS, "properties.locations.1.isZoneRedundant", False)
    ),
    Mutation(
        "services_are_spread_over_zones",
        "scheduler",
        put("Microsoft.DurableTask/schedulers", "properties.sku.capacity", 1),
    ),
    Mutation("services_are_spread_over_zones", "gateway", put(_APIM, "sku.capacity", 1)),
    Mutation("services_are_spread_over_zones", "address", put("Microsoft.Network/publicIPAddresses", "zones", ["1"])),
    Mutation(
        "services_are_spread_over_zones", "SignalR", put("Microsoft.SignalRService/signalR", "sku.tier", "Standard")
    ),
    Mutation(
        "services_are_spread_over_zones",
        "backups",
        put(_VAULT, "properties.storageSettings.0.type", "LocallyRedundant"),
    ),
    Mutation(
        "database_servers_are_legal",
        "replica with a standby",
        put(_PG, "properties.highAvailability.mode", "ZoneRedundant", named="replica"),
    ),
    Mutation(
        "database_servers_are_legal",
        "replica with geo backup",
        put(_PG, "properties.backup.geoRedundantBackup", "Enabled", named="replica"),
    ),
    Mutation(
        "database_servers_are_legal",
        "same zone",
        put(_PG, "properties.highAvailability.standbyAvailabilityZone", "1", named="prod-c1-p"),
    ),
    Mutation("database_servers_are_legal", "burstable", put(_PG, "sku.tier", "Burstable")),
    Mutation("database_servers_are_legal", "old", put(_PG, "properties.version", "15"), "dev"),
    Mutation(
        "databases_survive_a_zone_a_region_and_a_mistake",
        "no standby",
        put(_PG, "properties.highAvailability.mode", "Disabled", named="prod-c1-p"),
    ),
    Mutation(
        "databases_survive_a_zone_a_region_and_a_mistake",
        "same zone only",
        put(_PG, "properties.highAvailability.mode", "SameZone", named="prod-c1-p"),
    ),
    Mutation(
        "databases_survive_a_zone_a_region_and_a_mistake",
        "a week",
        put(_PG, "properties.backup.backupRetentionDays", 7),
    ),
    Mutation(
        "databases_survive_a_zone_a_region_and_a_mistake",
        "no geo backup",
        put(_PG, "properties.backup.geoRedundantBackup", "Disabled", named="prod-c1-p"),
    ),
    Mutation("databases_survive_a_zone_a_region_and_a_mistake", "no replica", drop(_PG, named="replica")),
    Mutation(
        "databases_survive_a_zone_a_region_and_a_mistake",
        "replica beside it",
        put(_PG, "location", "indiasouthcentral", named="prod-c2-replica"),
    ),
    Mutation(
        "backups_cannot_be_deleted",
        "unlocked",
        put(_VAULT, "properties.securitySettings.immutabilitySettings.state", "Unlocked"),
    ),
    Mutation(
        "backups_cannot_be_deleted",
        "soft delete",
        put(_VAULT, "properties.securitySettings.softDeleteSettings.state", "Off"),
    ),
    Mutation(
        "backups_cannot_be_deleted",
        "a month",
        put(f"{_VAULT}/backupPolicies", "properties.policyRules.1.lifecycles.0.deleteAfter.duration", "P1M"),
    ),
    Mutation("backups_cannot_be_deleted", "nothing", drop(f"{_VAULT}/backupInstances")),
    Mutation(
        "maintenance_is_outside_of_sessions",
        "Monday, 10:30 in India",
        put(
            _PG,
            "properties.maintenanceWindow",
            {"customWindow": "Enabled", "dayOfWeek": 1, "startHour": 5, "startMinute": 0},
        ),
    ),
    Mutation(
        "maintenance_is_outside_of_sessions",
        "just before",
        put(
            _PG,
            "properties.maintenanceWindow",
            {"customWindow": "Enabled", "dayOfWeek": 5, "startHour": 3, "startMinute": 0},
        ),
    ),
    Mutation(
        "maintenance_is_outside_of_sessions",
        "any time",
        put(_PG, "properties.maintenanceWindow.customWindow", "Disabled"),
        "dev",
    ),
    Mutation(
        "database_parameters_are_set",
        "without TLS",
        put(f"{_PG}/configurations", "properties.value", "off", named="require_secure_transport"),
    ),
    Mutation(
        "database_parameters_are_set", "left out", drop(f"{_PG}/configurations", named="ssl_min_protocol_version")
    ),
    Mutation(
        "database_parameters_are_set",
        "open",
        put(f"{_PG}/firewallRules", "properties.endIpAddress", "255.255.255.255"),
        "dev",
    ),
    Mutation(
        "database_parameters_are_set", "a person", put(f"{_PG}/administrators", "properties.principalType", "User")
    ),
    Mutation(
        "tiers_offer_what_the_environment_needs",
        "bus",
        put("Microsoft.ServiceBus/namespaces", "sku.name", "Standard"),
        "test",
    ),
    Mutation(
        "tiers_offer_what_the_environment_needs", "front door", put(_AFD, "sku.name", "Standard_AzureFrontDoor"), "test"
    ),
    Mutation("tiers_offer_what_the_environment_needs", "gateway", put(_APIM, "sku.name", "BasicV2"), "test"),
    Mutation("capacity_has_a_floor", "bus", put("Microsoft.ServiceBus/namespaces", "sku.capacity", 1)),
    Mutation("capacity_has_a_floor", "redis", put("Microsoft.Cache/redisEnterprise", "sku.name", "Balanced_B1")),
    Mutation(
        "capacity_has_a_floor",
        "partitions",
        put("Microsoft.EventHub/namespaces/eventhubs", "properties.partitionCount", 2),
    ),
    Mutation("capacity_has_a_floor", "disk", put(_PG, "properties.storage.storageSizeGB", 32)),
    Mutation(
        "redis_is_as_the_client_expects",
        "policy",
        put("Microsoft.Cache/redisEnterprise/databases", "properties.clusteringPolicy", "EnterpriseCluster"),
        "dev",
    ),
    Mutation(
        "redis_is_as_the_client_expects",
        "eviction",
        put("Microsoft.Cache/redisEnterprise/databases", "properties.evictionPolicy", "AllKeysLRU"),
    ),
    Mutation("redis_is_as_the_client_expects", "no database", drop("Microsoft.Cache/redisEnterprise/databases")),
    Mutation(
        "cosmos_is_written_everywhere_and_backed_up",
        "periodic",
        put(_COSMOS, "properties.backupPolicy.type", "Periodic"),
        "dev",
    ),
    Mutation(
        "cosmos_is_written_everywhere_and_backed_up",
        "one writer",
        put(_COSMOS, "properties.enableMultipleWriteLocations", False),
    ),
    Mutation(
        "cosmos_is_written_everywhere_and_backed_up",
        "one region",
        put(_COSMOS, "properties.locations.1", {"locationName": "centralindia", "isZoneRedundant": True}),
    ),
    Mutation(
        "cosmos_is_written_everywhere_and_backed_up",
        "serverless",
        put(_COSMOS, "properties.capabilities", [{"name": "EnableServerless"}]),
    ),
    Mutation(
        "cosmos_is_written_everywhere_and_backed_up",
        "no scale",
        put(f"{_COSMOS}/sqlDatabases", "properties.options", {"throughput": 400}),
    ),
    Mutation(
        "push_is_serverless_for_known_origins",
        "default mode",
        put("Microsoft.SignalRService/signalR", "properties.features.0.value", "Default"),
        "dev",
    ),
    Mutation(
        "push_is_serverless_for_known_origins",
        "any origin",
        put("Microsoft.SignalRService/signalR", "properties.cors.allowedOrigins", ["*"]),
    ),
    Mutation(
        "push_is_serverless_for_known_origins",
        "copied",
        put("Microsoft.ServiceBus/namespaces", "properties.geoDataReplication", {"locations": []}),
    ),
)
