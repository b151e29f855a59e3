"""The addresses under which an instance can be managed, as the extension forms them."""

import json
from urllib.parse import quote

from emulators.durable.contract import WebhookAddresses

_CONNECTION = "Storage"


def client_binding(hub: str, addresses: WebhookAddresses) -> str:
    """JSON text of a durableClient binding; `INSTANCEID` stands where the SDK puts the id."""
    public, rpc = addresses.public_url.rstrip("/"), addresses.rpc_url.rstrip("/")
    key = f"code={quote(addresses.system_key)}"
    creation = f"{public}/orchestrators/{{functionName}}[/{{instanceId}}]"
    return json.dumps(
        {
            "taskHubName": hub,
            "creationUrls": {
                "createNewInstancePostUri": f"{creation}?{key}",
                "createAndWaitOnNewInstancePostUri": (
                    f"{creation}?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{key}"
                ),
            },
            "managementUrls": management_urls(hub, public, "INSTANCEID", key),
            "baseUrl": public,
            "requiredQueryStringParameters": key,
            "rpcBaseUrl": f"{rpc}/",
        }
    )


def management_urls(hub: str, base_url: str, instance_id: str, key: str) -> dict[str, str]:
    """The check-status payload of one instance; `key` is the query parameter that carries the system key, or empty."""
    suffix = f"taskHub={hub}&connection={_CONNECTION}" + (f"&{key}" if key else "")
    instance = f"{base_url}/instances/{quote(instance_id)}"
    return {
        "id": instance_id,
        "statusQueryGetUri": f"{instance}?{suffix}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{suffix}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{suffix}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&{suffix}",
        "purgeHistoryDeleteUri": f"{instance}?{suffix}",
        "restartPostUri": f"{instance}/restart?{suffix}",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&{suffix}",
        "resumePostUri": f"{instance}/resume?reason={{text}}&{suffix}",
    }
