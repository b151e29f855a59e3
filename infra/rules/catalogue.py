"""What a type of resource can do wrong. A type that is not here is refused: look these things up, then add it."""

from dataclasses import dataclass
from typing import Any, Final

from infra.rules.snapshot import Resource

type Wanted = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Facts:
    """Paths are below `properties`.

    `local_auth`: what turns keys and passwords off. `tls`: what asks for TLS 1.2 or later. `public`: what closes the
    public way in. `links`: group ids of its private endpoints. `logs`, `metrics`: what diagnostics it offers. `holds`:
    data that cannot be made again, so it is locked. `zones`: what spreads it over zones.
    """

    local_auth: Wanted = ()
    tls: Wanted = ()
    public: Wanted = ()
    links: tuple[str, ...] = ()
    logs: bool = False
    metrics: bool = False
    holds: bool = False
    zones: Wanted = ()


def facts(resource: Resource) -> Facts:
    """What is known of its type; nothing, when the type is not here."""
    return CATALOGUE.get(resource.type, _NOTHING)


_CLOSED: Final[Wanted] = (("publicNetworkAccess", "Disabled"),)
_NOTHING: Final = Facts()
CATALOGUE: Final[dict[str, Facts]] = {
    "Microsoft.ApiManagement/service": Facts(public=_CLOSED, links=("Gateway",), logs=True, metrics=True),
    "Microsoft.Cache/redisEnterprise": Facts(
        tls=(("minimumTlsVersion", "1.2"),),
        public=_CLOSED,
        links=("redisEnterprise",),
        metrics=True,
        zones=(("highAvailability", "Enabled"),),
    ),
    "Microsoft.Cache/redisEnterprise/databases": Facts(
        local_auth=(("accessKeysAuthentication", "Disabled"),), tls=(("clientProtocol", "Encrypted"),), logs=True
    ),
    "Microsoft.Cdn/profiles": Facts(logs=True, metrics=True),
    "Microsoft.DBforPostgreSQL/flexibleServers": Facts(
        local_auth=(("authConfig.passwordAuth", "Disabled"), ("authConfig.activeDirectoryAuth", "Enabled")),
        public=(("network.publicNetworkAccess", "Disabled"),),
        links=("postgresqlServer",),
        logs=True,
        metrics=True,
        holds=True,
    ),
    "Microsoft.DataProtection/backupVaults": Facts(logs=True, metrics=True),
    "Microsoft.DocumentDB/databaseAccounts": Facts(
        local_auth=(("disableLocalAuth", True), ("disableKeyBasedMetadataWriteAccess", True)),
        tls=(("minimalTlsVersion", "Tls12"),),
        public=_CLOSED,
        links=("Sql",),
        logs=True,
        metrics=True,
        holds=True,
    ),
    "Microsoft.DurableTask/schedulers": Facts(
        public=_CLOSED, links=("scheduler",), logs=True, metrics=True, holds=True
    ),
    "Microsoft.EventHub/namespaces": Facts(
        local_auth=(("disableLocalAuth", True),),
        tls=(("minimumTlsVersion", "1.2"),),
        public=_CLOSED,
        links=("namespace",),
        logs=True,
        metrics=True,
        zones=(("zoneRedundant", True),),
    ),
    "Microsoft.Insights/components": Facts(local_auth=(("DisableLocalAuth", True),), metrics=True),
    "Microsoft.KeyVault/vaults": Facts(
        local_auth=(("enableRbacAuthorization", True),),
        public=(*_CLOSED, ("networkAcls.defaultAction", "Deny"), ("networkAcls.bypass", "None")),
        links=("vault",),
        logs=True,
        metrics=True,
        holds=True,
    ),
    "Microsoft.Network/networkSecurityGroups": Facts(logs=True),
    "Microsoft.Network/publicIPAddresses": Facts(logs=True, metrics=True),
    "Microsoft.Network/virtualNetworks": Facts(logs=True, metrics=True),
    "Microsoft.OperationalInsights/workspaces": Facts(
        local_auth=(("features.disableLocalAuth", True),), logs=True, metrics=True
    ),
    "Microsoft.ServiceBus/namespaces": Facts(
        local_auth=(("disableLocalAuth", True),),
        tls=(("minimumTlsVersion", "1.2"),),
        public=_CLOSED,
        links=("namespace",),
        logs=True,
        metrics=True,
        holds=True,
        zones=(("zoneRedundant", True),),
    ),
    "Microsoft.SignalRService/signalR": Facts(
        local_auth=(("disableLocalAuth", True), ("disableAadAuth", False)),
        # Clients connect from the internet: only they may.
        public=(("networkACLs.publicNetwork.allow", ["ClientConnection"]), ("networkACLs.defaultAction", "Deny")),
        links=("signalr",),
        logs=True,
        metrics=True,
    ),
    "Microsoft.Storage/storageAccounts": Facts(
        local_auth=(
            ("allowSharedKeyAccess", False),
            ("allowBlobPublicAccess", False),
            ("defaultToOAuthAuthentication", True),
            ("allowCrossTenantReplication", False),
        ),
        tls=(("minimumTlsVersion", "TLS1_2"), ("supportsHttpsTrafficOnly", True)),
        public=(*_CLOSED, ("networkAcls.defaultAction", "Deny"), ("networkAcls.bypass", "None")),
        links=("blob", "queue", "table"),
        metrics=True,
        holds=True,
    ),
    "Microsoft.Storage/storageAccounts/blobServices": Facts(logs=True),
    "Microsoft.Storage/storageAccounts/queueServices": Facts(logs=True),
    "Microsoft.Storage/storageAccounts/tableServices": Facts(logs=True),
    "Microsoft.Web/serverfarms": Facts(metrics=True, zones=(("zoneRedundant", True),)),
    "Microsoft.Web/sites": Facts(
        tls=(("httpsOnly", True), ("siteConfig.minTlsVersion", "1.2"), ("siteConfig.scmMinTlsVersion", "1.2")),
        public=_CLOSED,
        links=("sites",),
        logs=True,
        metrics=True,
    ),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": Facts(local_auth=(("allow", False),)),
    **dict.fromkeys(
        (
            "Microsoft.ApiManagement/service/apis",
            "Microsoft.ApiManagement/service/apis/operations",
            "Microsoft.ApiManagement/service/apis/policies",
            "Microsoft.ApiManagement/service/backends",
            "Microsoft.ApiManagement/service/diagnostics",
            "Microsoft.ApiManagement/service/loggers",
            "Microsoft.ApiManagement/service/namedValues",
            "Microsoft.Authorization/locks",
            "Microsoft.Authorization/roleAssignments",
            "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments",
            "Microsoft.Cdn/profiles/afdEndpoints",
            "Microsoft.Cdn/profiles/afdEndpoints/routes",
            "Microsoft.Cdn/profiles/originGroups",
            "Microsoft.Cdn/profiles/originGroups/origins",
            "Microsoft.Cdn/profiles/securityPolicies",
            "Microsoft.Consumption/budgets",
            "Microsoft.DBforPostgreSQL/flexibleServers/administrators",
            "Microsoft.DBforPostgreSQL/flexibleServers/configurations",
            "Microsoft.DBforPostgreSQL/flexibleServers/databases",
            "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules",
            "Microsoft.DataProtection/backupVaults/backupInstances",
            "Microsoft.DataProtection/backupVaults/backupPolicies",
            "Microsoft.DocumentDB/databaseAccounts/sqlDatabases",
            "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers",
            "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
            "Microsoft.DurableTask/schedulers/retentionPolicies",
            "Microsoft.DurableTask/schedulers/taskHubs",
            "Microsoft.EventHub/namespaces/eventhubs",
            "Microsoft.EventHub/namespaces/eventhubs/consumergroups",
            "Microsoft.Insights/actionGroups",
            "Microsoft.Insights/diagnosticSettings",
            "Microsoft.Insights/metricAlerts",
            "Microsoft.Insights/scheduledQueryRules",
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies",
            "Microsoft.Network/natGateways",
            "Microsoft.Network/privateDnsZones",
            "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
            "Microsoft.Network/privateEndpoints",
            "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
            "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
            "Microsoft.Resources/resourceGroups",
            "Microsoft.ServiceBus/namespaces/queues",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
            "Microsoft.Web/sites/config",
        ),
        _NOTHING,
    ),
}
