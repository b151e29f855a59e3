"""The rules, one file an area."""

from typing import Final

from infra.rules import access, apps, data, gateway, identities, networks, operations
from infra.rules.rule import Rule

ALL: Final[tuple[Rule, ...]] = tuple(
    rule for area in (access, apps, data, gateway, identities, networks, operations) for rule in area.RULES.rules
)
