"""What is known before a deployment: parameters that break a rule, and what is left to fill in."""

from infra.preflight import capacity, left_to_fill_in, questions, violations
from infra.rules.snapshot import Snapshot
from tests.infra.mutations import mutated, put


def test_parameters_of_the_repository_are_left_to_fill_in(snapshots: dict[str, Snapshot]) -> None:
    found = list(left_to_fill_in(snapshots["prod"]))
    assert len(found) == 2
    assert "00000000-0000-0000-0000-000000000000" in found[0]
    assert "broker.example" in found[1]


def test_broken_rule_is_reported_with_its_reason(snapshots: dict[str, Snapshot]) -> None:
    assert list(violations(snapshots["prod"])) == []
    change = put("Microsoft.KeyVault/vaults", "properties.enablePurgeProtection", False)
    (found,) = violations(mutated(snapshots["prod"], change))
    assert found.startswith("vaults_cannot_be_purged: ")
    assert found.endswith("loses what nobody can make again.")


def test_quota_is_counted_for_each_region(snapshots: dict[str, Snapshot]) -> None:
    lines = list(capacity(snapshots["prod"]))
    assert [line.partition(":")[0] for line in lines[:2]] == ["centralindia", "indiasouthcentral"]
    assert all("of 250" in line for line in lines[:2])


def test_azure_is_asked_about_every_provider_and_name(snapshots: dict[str, Snapshot]) -> None:
    asked = "\n".join(questions(snapshots["prod"]))
    for namespace in ("Microsoft.App", "Microsoft.DurableTask", "Microsoft.DBforPostgreSQL", "Microsoft.Cache"):
        assert f"--namespace {namespace} " in asked
    (account,) = [
        each.name for each in snapshots["prod"].of("Microsoft.Storage/storageAccounts") if "c2green" in each.name
    ]
    assert f"az storage account check-name --name {account}" in asked
    assert "--location indiasouthcentral" in asked
    assert asked.splitlines()[-1].startswith("az deployment sub what-if ")
