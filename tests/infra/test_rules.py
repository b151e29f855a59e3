"""Every environment obeys every rule, and every rule finds the faults that it is there for."""

import pytest

from infra import rules
from infra.compiler import ENVIRONMENTS
from infra.rules.rule import Rule
from infra.rules.snapshot import Snapshot
from tests.infra.faults import access, apps, data, gateway, identities, networks, operations
from tests.infra.mutations import Mutation, mutated, of_the_catalogue

RULES = {rule.name: rule for rule in rules.ALL}
FAULTS = [
    *of_the_catalogue(),
    *(fault for table in (access, apps, data, gateway, identities, networks, operations) for fault in table.FAULTS),
]


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_obeys_the_rule(environment: str, rule: Rule, snapshots: dict[str, Snapshot]) -> None:
    assert list(rule.check(snapshots[environment])) == [], rule.reason


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {fault.rule for fault in FAULTS} == RULES.keys()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule}: {fault.what}")
def test_fault_is_found_by_its_rule(fault: Mutation, snapshots: dict[str, Snapshot]) -> None:
    found = list(RULES[fault.rule].check(mutated(snapshots[fault.environment], fault.change)))
    assert found != [], f"{fault.rule} lets it pass: {fault.what}"
