"""Every environment obeys every rule."""

import pytest

from infra.compiler import ENVIRONMENTS
from tests.infra.rules import access, apps, data, gateway, identities, networks, operations
from tests.infra.rules.rule import Rule
from tests.infra.snapshot import Snapshot

RULES = [
    rule for table in (access, apps, data, gateway, identities, networks, operations) for rule in table.RULES.rules
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_obeys_the_rule(environment: str, rule: Rule, snapshots: dict[str, Snapshot]) -> None:
    assert list(rule.check(snapshots[environment])) == [], rule.reason
