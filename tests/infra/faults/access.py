"""Ways in, names, secrets: what goes wrong, and the rule that must find it."""

from typing import Final

from tests.infra.mutations import GONE, Mutation, add, drop, put

_CONFIG: Final = "Microsoft.Web/sites/config"
_STORAGE: Final = "Microsoft.Storage/storageAccounts"


FAULTS: Final = (
    Mutation(
        "every_type_is_in_the_catalogue",
        "a new kind",
        add(
            {
                "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/x",
                "type": "Microsoft.Sql/servers",
            }
        ),
    ),
    Mutation(
        "private_endpoints_have_records_in_their_zones",
        "no record",
        drop("Microsoft.Network/privateEndpoints/privateDnsZoneGroups"),
    ),
    Mutation(
        "private_endpoints_have_records_in_their_zones",
        "not linked",
        drop("Microsoft.Network/privateDnsZones/virtualNetworkLinks", named="postgres"),
    ),
    Mutation(
        "every_network_resolves_every_zone_of_its_region",
        "not linked",
        drop("Microsoft.Network/privateDnsZones/virtualNetworkLinks", named="durabletask"),
    ),
    Mutation("nothing_carries_a_secret", "key", put(_CONFIG, "properties.X", "[listKeys('/a', '2020').key1]")),
    Mutation(
        "nothing_carries_a_secret",
        "connection string",
        put(_CONFIG, "properties.X", "Endpoint=sb://x;SharedAccessKey=abc="),
    ),
    Mutation(
        "nothing_carries_a_secret",
        "password",
        put(_CONFIG, "properties.POSTGRES_URL", "postgresql://u:secret@host/db"),
        "dev",
    ),
    Mutation("secrets_come_from_the_vault_of_the_cell", "plain", put(_CONFIG, "properties.WEBHOOK_KEYS", "c2VjcmV0")),
    Mutation(
        "secrets_come_from_the_vault_of_the_cell",
        "other vault",
        put(_CONFIG, "properties.API_SECRET", "@Microsoft.KeyVault(VaultName=x;SecretName=y)"),
    ),
    Mutation(
        "vaults_cannot_be_purged",
        "purge",
        put("Microsoft.KeyVault/vaults", "properties.enablePurgeProtection", GONE),
        "dev",
    ),
    Mutation(
        "vaults_cannot_be_purged", "days", put("Microsoft.KeyVault/vaults", "properties.softDeleteRetentionInDays", 7)
    ),
    Mutation(
        "blobs_are_private_and_can_be_brought_back",
        "public",
        put(f"{_STORAGE}/blobServices/containers", "properties.publicAccess", "Blob"),
    ),
    Mutation(
        "blobs_are_private_and_can_be_brought_back",
        "a day",
        put(f"{_STORAGE}/blobServices", "properties.deleteRetentionPolicy.days", 1),
    ),
    Mutation("blobs_are_private_and_can_be_brought_back", "nothing said", drop(f"{_STORAGE}/blobServices"), "dev"),
)
