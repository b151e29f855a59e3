"""Templates, app and sandbox agree on settings, queues and functions."""

import json
import re
from pathlib import Path

from infra.functions import triggers
from infra.rules.snapshot import Snapshot
from shared.adapters.service_bus.exchange import QUEUE
from shared.composition.adapters import EXCHANGE_REQUESTS, EXECUTION_REPORTS
from shared.config import Settings
from tests.docs.test_tables import _setting, codes, table

ROOT = Path(__file__).parents[2]
SETTINGS_PAGE = ROOT / "docs/reference/settings.md"
NOT_IN_AZURE = {
    "SERVICE_BUS_CONNECTION": "a connection string has a key; the namespace and the identity take its place",
    "SIGNALR_CONNECTION": "a connection string has a key; the address and the identity take its place",
    "COSMOS_CONNECTION": "a connection string has a key; the address and the identity take its place",
    "SERVICE_BUS_ADMIN_CONNECTION": "the emulator counts queues at another endpoint; Service Bus does not",
    "SERVICE_BUS_ADMIN_CA": "the emulator's own certificate authority",
}
AS_THE_APP_HAS_IT = {
    "EXCHANGE_API_URL": "set where the exchange offers its records",
    "EXCHANGE_ANSWER_DEADLINE_S": "agreed with the exchange, the same in every environment",
    "EXCHANGE_EXPIRE_AFTER_S": "agreed with the exchange, the same in every environment",
    "EXCHANGE_REPORTS_SETTLED_S": "agreed with the exchange, the same in every environment",
    "MARKET_SESSIONS": "the default is the exchange's",
    "WEBHOOK_PRIVATE_ADDRESSES": "never where strangers are users",
    "SAGAS_IN_FLIGHT": "measured; the same for every cell",
    "ORDERS_PER_SAGA": "measured; the same for every cell",
}
PATTERNS = {"AzureWebJobs.<function>.Disabled": re.compile(r"AzureWebJobs\.\w+\.Disabled")}


def settings_of(snapshot: Snapshot) -> set[str]:
    return {name for site in snapshot.of("Microsoft.Web/sites") for name in snapshot.settings(site)}


def host_settings() -> set[str]:
    return {code for row in table(SETTINGS_PAGE, "host settings") for code in codes(row[0])}


def test_every_setting_in_azure_is_known_to_app_or_host(snapshots: dict[str, Snapshot]) -> None:
    known = {_setting(name)[0] for name in Settings.model_fields} | host_settings()
    for snapshot in snapshots.values():
        unknown = settings_of(snapshot) - known
        assert {name for name in unknown if not any(each.fullmatch(name) for each in PATTERNS.values())} == set()


def test_every_setting_of_the_app_is_set_or_left_out_for_a_reason(snapshots: dict[str, Snapshot]) -> None:
    names = {_setting(name)[0] for name in Settings.model_fields}
    for snapshot in snapshots.values():
        assert names - settings_of(snapshot) == NOT_IN_AZURE.keys() | AS_THE_APP_HAS_IT.keys()


def test_every_setting_of_the_host_is_set_in_azure(snapshots: dict[str, Snapshot]) -> None:
    only_here = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "EVENT_HUBS_CONNECTION"}
    """Flex Consumption takes the runtime from elsewhere, and connections by their parts."""
    assert host_settings() - only_here - PATTERNS.keys() == settings_of(snapshots["dev"]) & host_settings()


def test_queues_are_those_of_the_sandbox(snapshots: dict[str, Snapshot]) -> None:
    declared = json.loads((ROOT / "sandbox/servicebus.json").read_bytes())["UserConfig"]["Namespaces"][0]["Queues"]
    for snapshot in snapshots.values():
        for namespace in snapshot.of("Microsoft.ServiceBus/namespaces"):
            queues = {queue.name: queue.properties for queue in snapshot.parts(namespace, "queues")}
            assert queues.keys() == {queue["Name"] for queue in declared}
            for queue in declared:
                wanted = {name[0].lower() + name[1:]: value for name, value in queue["Properties"].items()}
                assert {name: queues[queue["Name"]].get(name) for name in wanted} == wanted


def test_queues_are_those_that_the_app_uses(snapshots: dict[str, Snapshot]) -> None:
    assert QUEUE == EXCHANGE_REQUESTS
    for namespace in snapshots["prod"].of("Microsoft.ServiceBus/namespaces"):
        names = {queue.name for queue in snapshots["prod"].parts(namespace, "queues")}
        assert names == {EXCHANGE_REQUESTS, EXECUTION_REPORTS}


def test_hubs_and_their_consumer_groups_are_those_of_the_sandbox(snapshots: dict[str, Snapshot]) -> None:
    declared = json.loads((ROOT / "sandbox/eventhubs.json").read_bytes())["UserConfig"]["NamespaceConfig"][0][
        "Entities"
    ]
    wanted = {hub["Name"]: {group["Name"] for group in hub["ConsumerGroups"]} for hub in declared}
    for snapshot in snapshots.values():
        for namespace in snapshot.of("Microsoft.EventHub/namespaces"):
            hubs = snapshot.parts(namespace, "eventhubs")
            assert {hub.name: {group.name for group in snapshot.parts(hub, "consumergroups")} for hub in hubs} == wanted
            for hub, declaration in ((hub, each) for hub in hubs for each in declared if each["Name"] == hub.name):
                assert hub.properties["partitionCount"] >= declaration["PartitionCount"]


def test_containers_are_those_of_the_sandbox(snapshots: dict[str, Snapshot]) -> None:
    kind = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases"
    (declared,) = json.loads((ROOT / "sandbox/cosmos.json").read_bytes())["databases"]
    for snapshot in snapshots.values():
        assert [database.name for database in snapshot.of(kind)] == [declared["id"]]
        made = {each.name: each.get("properties.resource") for each in snapshot.of(f"{kind}/containers")}
        assert made == {container["id"]: container for container in declared["containers"]}


def test_triggers_read_hubs_and_queues_that_exist(snapshots: dict[str, Snapshot]) -> None:
    snapshot = snapshots["prod"]
    queues = {queue.name for queue in snapshot.of("Microsoft.ServiceBus/namespaces/queues")}
    groups = {
        tuple(each.id.split("/")[-3::2])
        for each in snapshot.of("Microsoft.EventHub/namespaces/eventhubs/consumergroups")
    }
    for trigger in triggers().values():
        if trigger["type"] == "serviceBusTrigger":
            assert trigger["queueName"] in queues
        if trigger["type"] == "eventHubTrigger":
            assert (trigger["eventHubName"], trigger["consumerGroup"]) in groups


def test_triggered_functions_are_those_that_the_app_registers(snapshots: dict[str, Snapshot]) -> None:
    closed = {name.split(".")[1] for name in settings_of(snapshots["prod"]) if name.startswith("AzureWebJobs.")}
    assert closed == triggers().keys()
