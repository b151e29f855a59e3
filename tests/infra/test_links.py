"""Wrong lines in the templates themselves, compiled: each link between modules is watched by a rule.

Compiling takes seconds, so all of them go into one copy.
"""

import shutil
from pathlib import Path

import pytest

from infra import rules
from infra.compiler import TEMPLATES, expand
from infra.rules.snapshot import Snapshot

WRONG_LINES = {
    ("cell.bicep", "storageAccountName: app.storage", "storageAccountName: apps[0].storage"): (
        "colours_share_nothing_of_their_hosts"
    ),
    (
        "cell.bicep",
        "identityName: app.identity",
        "identityName: apps[0].identity",
    ): "each_app_has_one_identity_of_its_own",
    ("cell.bicep", "grants: [{ identity: app.identity, role: 'Durable Task Data Contributor' }]", "grants: []"): (
        "every_identity_has_its_roles"
    ),
    ("modules/service-bus.bicep", "disableLocalAuth: true", "disableLocalAuth: false"): "keys_and_passwords_are_off",
    ("modules/redis.bicep", "'Disabled' : 'Enabled'", "'Enabled' : 'Enabled'"): (
        "private_environments_have_no_public_way_in"
    ),
    (
        "cell-network.bicep",
        "zones: map(items(privateDnsZones), zone => zone.value)",
        "zones: filter(map(items(privateDnsZones), zone => zone.value), zone => zone != privateDnsZones.vault)",
    ): ("every_network_resolves_every_zone_of_its_region"),
    ("cell-network.bicep", "'Microsoft.App/environments'", "'Microsoft.Web/serverFarms'"): (
        "subnets_are_delegated_to_their_service"
    ),
    ("routing.bicep", "apps[i].properties.defaultHostName", "apps[0].properties.defaultHostName"): (
        "every_gateway_reaches_every_cell"
    ),
    ("main.bicep", "firstSlot}-", "firstSlot + 1}-"): "every_slot_has_one_cell",
    ("modules/key-vault.bicep", "'allLogs', enabled: true", "'allLogs', enabled: false"): (
        "every_service_sends_its_diagnostics"
    ),
}


@pytest.fixture(scope="module")
def broken(bicep: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The environment `test` with every wrong line in it."""
    copy = tmp_path_factory.mktemp("wrong") / "bicep"
    shutil.copytree(TEMPLATES, copy)
    for name, right, wrong in WRONG_LINES:
        text = (copy / name).read_text(encoding="utf-8")
        assert right in text, f"{name} has no {right}"
        (copy / name).write_text(text.replace(right, wrong), encoding="utf-8")
    return Snapshot("test", expand("test", templates=copy))


@pytest.mark.parametrize(
    ("line", "rule"), WRONG_LINES.items(), ids=lambda each: each if isinstance(each, str) else each[0]
)
def test_wrong_line_is_found(line: tuple[str, str, str], rule: str, broken: Snapshot) -> None:
    (check,) = [each.check for each in rules.ALL if each.name == rule]
    assert list(check(broken)) != [], line
