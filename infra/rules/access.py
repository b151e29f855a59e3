"""Who can reach what, and with what: keys and passwords off, TLS, private endpoints, DNS."""

import re
from collections.abc import Iterator
from typing import Final

from infra.rules.catalogue import CATALOGUE, Wanted, facts
from infra.rules.rule import Rules, at_least, differs
from infra.rules.snapshot import Resource, Snapshot

RULES: Final = Rules()
_SECRET: Final = re.compile(
    r"list(\w*keys|\w*secrets?|connectionstrings|accountsas|credentials?)\(|accountkey=|sharedaccesskey|password=|"
    r"://[^/@]+:[^/@]+@|\.primarykey|\.secondarykey|\.primaryconnectionstring",
    re.IGNORECASE,
)


def _wrong(resource: Resource, wanted: Wanted) -> Iterator[str]:
    yield from differs([resource], {f"properties.{path}": value for path, value in wanted})


@RULES.add("A type that nobody has looked at may have a public way in, a key, or no logs.")
def every_type_is_in_the_catalogue(snapshot: Snapshot) -> Iterator[str]:
    for resource in snapshot.resources:
        if resource.type not in CATALOGUE:
            yield f"{resource}: its type is not in infra/rules/catalogue.py"


@RULES.add("A key or password can be copied, and says nothing about who uses it.")
def keys_and_passwords_are_off(snapshot: Snapshot) -> Iterator[str]:
    for resource in snapshot.resources:
        yield from _wrong(resource, facts(resource).local_auth)


@RULES.add("Older versions of TLS are broken; regulators ask for 1.2 at least.")
def traffic_is_encrypted_with_tls_1_2(snapshot: Snapshot) -> Iterator[str]:
    for resource in snapshot.resources:
        yield from _wrong(resource, facts(resource).tls)


@RULES.add(
    "A service that the internet can reach is attacked; private ones are reached from the broker's networks alone."
)
def private_environments_have_no_public_way_in(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.expected.private:
        for resource in snapshot.resources:
            yield from _wrong(resource, facts(resource).public)


@RULES.add("A service without public access and without a private endpoint cannot be reached at all.")
def private_services_have_their_private_endpoints(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.expected.private:
        return
    linked = {
        (connection["properties"]["privateLinkServiceId"].lower(), group)
        for endpoint in snapshot.of("Microsoft.Network/privateEndpoints")
        for connection in endpoint.properties["privateLinkServiceConnections"]
        for group in connection["properties"]["groupIds"]
    }
    for resource in snapshot.resources:
        for group in facts(resource).links:
            if (resource.id.lower(), group) not in linked:
                yield f"{resource}: no private endpoint for {group}"


ZONES: Final = {
    "Gateway": "privatelink.azure-api.net",
    "Sql": "privatelink.documents.azure.com",
    "blob": "privatelink.blob.core.windows.net",
    "namespace": "privatelink.servicebus.windows.net",
    "postgresqlServer": "privatelink.postgres.database.azure.com",
    "queue": "privatelink.queue.core.windows.net",
    "redisEnterprise": "privatelink.redis.azure.net",
    "scheduler": "privatelink.durabletask.io",
    "signalr": "privatelink.service.signalr.net",
    "sites": "privatelink.azurewebsites.net",
    "table": "privatelink.table.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
}
"""learn.microsoft.com/azure/private-link/private-endpoint-dns."""


@RULES.add("Without its record in the right zone, the name of a service leads to its closed public address.")
def private_endpoints_have_records_in_their_zones(snapshot: Snapshot) -> Iterator[str]:
    for endpoint in snapshot.of("Microsoft.Network/privateEndpoints"):
        groups = [
            group
            for connection in endpoint.properties["privateLinkServiceConnections"]
            for group in connection["properties"]["groupIds"]
        ]
        zones = [
            config["properties"]["privateDnsZoneId"]
            for part in snapshot.parts(endpoint, "privateDnsZoneGroups")
            for config in part.properties["privateDnsZoneConfigs"]
        ]
        if [ZONES.get(group) for group in groups] != [zone.rsplit("/", 1)[1] for zone in zones]:
            yield f"{endpoint}: {groups} is registered in {zones}"
        network = endpoint.properties["subnet"]["id"].partition("/subnets/")[0].lower()
        for zone in zones:
            if network not in _linked_networks(snapshot, zone):
                yield f"{endpoint}: its network does not resolve names of {zone}"


def _linked_networks(snapshot: Snapshot, zone: str) -> set[str]:
    links = snapshot.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    return {link.get("properties.virtualNetwork.id").lower() for link in links if link.parent.lower() == zone.lower()}


@RULES.add("The apps, the gateway and the runner all look names up: a network that cannot resolve one calls in vain.")
def every_network_resolves_every_zone_of_its_region(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.expected.private:
        return
    for network in snapshot.of("Microsoft.Network/virtualNetworks"):
        resolved = {
            link.parent.rsplit("/", 1)[1]
            for link in snapshot.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
            if link.get("properties.virtualNetwork.id") == network.id
        }
        if missing := set(ZONES.values()) - resolved:
            yield f"{network}: does not resolve {', '.join(sorted(missing))}"


@RULES.add("A key in a setting, an output or a property is in the deployment's history, where many can read it.")
def nothing_carries_a_secret(snapshot: Snapshot) -> Iterator[str]:
    for resource in snapshot.resources:
        if resource.type != "Microsoft.ApiManagement/service/apis/policies" and (found := _secret(resource.raw)):
            yield f"{resource}: {found}"
    if found := _secret(snapshot.outputs):
        yield f"outputs: {found}"


def _secret(value: object) -> str | None:
    if isinstance(value, dict):
        return next((found for each in value.values() if (found := _secret(each))), None)
    if isinstance(value, list):
        return next((found for each in value if (found := _secret(each))), None)
    secret = _SECRET.search(value) if isinstance(value, str) else None
    return secret[0] if secret else None


@RULES.add("A secret of an outside party is looked up by the app's identity, in the vault of its own cell.")
def secrets_come_from_the_vault_of_the_cell(snapshot: Snapshot) -> Iterator[str]:
    for site in snapshot.of("Microsoft.Web/sites"):
        vaults = [vault.name for vault in snapshot.of("Microsoft.KeyVault/vaults") if vault.group == site.group]
        for name, value in snapshot.settings(site).items():
            if (
                _NAMES_A_SECRET.search(name)
                and not name.endswith("__credential")
                and not any(value.startswith(f"@Microsoft.KeyVault(VaultName={vault};SecretName=") for vault in vaults)
            ):
                yield f"{site}: {name} is {value}"


_NAMES_A_SECRET: Final = re.compile(r"(^|_)(KEYS?|SECRETS?|PASSWORDS?|TOKENS?|CREDENTIALS?)(_|$)", re.IGNORECASE)


@RULES.add("A vault that can be purged, or forgets what was deleted, loses what nobody can make again.")
def vaults_cannot_be_purged(snapshot: Snapshot) -> Iterator[str]:
    wanted: Wanted = (
        ("enablePurgeProtection", True),
        ("enableSoftDelete", True),
        ("softDeleteRetentionInDays", 90),
        ("enabledForDeployment", False),
        ("enabledForDiskEncryption", False),
        ("enabledForTemplateDeployment", False),
    )
    for vault in snapshot.of("Microsoft.KeyVault/vaults"):
        yield from _wrong(vault, wanted)


@RULES.add(
    "A blob that anybody can read, or that is gone with one wrong call, is no place for packages and checkpoints."
)
def blobs_are_private_and_can_be_brought_back(snapshot: Snapshot) -> Iterator[str]:
    kind = "Microsoft.Storage/storageAccounts"
    accounts = snapshot.of(kind)
    yield from differs(snapshot.of(f"{kind}/blobServices/containers"), {"properties.publicAccess": "None"})
    yield from differs(snapshot.of(f"{kind}/blobServices"), _BLOBS)
    yield from differs(accounts, {"properties.encryption.requireInfrastructureEncryption": True})
    for account in accounts:
        if not snapshot.parts(account, "blobServices"):
            yield f"{account}: says nothing about deleted blobs"


_BLOBS: Final = {
    "properties.deleteRetentionPolicy.enabled": True,
    "properties.deleteRetentionPolicy.days": at_least(7),
    "properties.containerDeleteRetentionPolicy.enabled": True,
    "properties.containerDeleteRetentionPolicy.days": at_least(7),
    "properties.isVersioningEnabled": True,
}
