"""The templates compile without a warning, and become what is on record."""

import json
import re

import pytest

from infra.compiler import ENVIRONMENTS, TEMPLATES
from infra.rules.identities import ROLES
from infra.rules.snapshot import Snapshot
from infra.snapshots.text import FOLDER, differences, written

SOURCES = sorted(TEMPLATES.rglob("*.bicep"))
SUPPRESSIBLE = {
    "use-recent-api-versions": "groups of categories exist only in a version that is called a preview",
    "no-hardcoded-env-urls": "private DNS zones of storage have no name in the compiler",
    "BCP037": "rolling updates are not in the published types; they are a preview that is off",
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_becomes_what_is_on_record(environment: str, snapshots: dict[str, Snapshot]) -> None:
    snapshot = snapshots[environment]
    expanded = {"predictedResources": [each.raw for each in snapshot.resources], "outputs": snapshot.outputs}
    kept = (FOLDER / f"{environment}.jsonl").read_text(encoding="utf-8")
    changes = list(differences(kept, written(expanded)))
    assert changes == [], "review the changes; then write them down: .venv/bin/python -m infra.snapshots"


def test_every_rule_of_the_linter_is_an_error() -> None:
    rules = json.loads((TEMPLATES / "bicepconfig.json").read_bytes())["analyzers"]["core"]["rules"]
    assert {name for name, rule in rules.items() if rule["level"] != "error"} == set()
    assert len(rules) > 35


def test_suppressions_are_listed_and_give_a_reason() -> None:
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        found = re.findall(r"#disable-(next-line|diagnostics) ([\w-]+)(?: // (.+))?", text)
        assert len(found) == text.count("#disable"), source.name
        wrong = [each for each in found if each[0] != "next-line" or each[1] not in SUPPRESSIBLE or not each[2]]
        assert wrong == [], source.name


def test_everything_that_is_declared_is_described() -> None:
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        assert text.startswith("metadata description = '"), source.name
        blocks = re.split(r"\n\s*\n", text)
        declared = [block for block in blocks if re.search(r"^(param|output|type|func) ", block, re.MULTILINE)]
        assert [block for block in declared if "@description(" not in block] == [], source.name
        assert re.findall(r"^param \w+ (?:object|array)\b.*", text, re.MULTILINE) == [], source.name


def test_parameter_files_set_nothing_that_is_secret() -> None:
    for path in (TEMPLATES / "environments").glob("*.bicepparam"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?i)password|secret|accountkey|sharedaccesskey|readEnvironmentVariable", text) == []


def test_production_is_in_two_regions_with_a_cell_in_each(snapshots: dict[str, Snapshot]) -> None:
    assert {name: snapshot.regions for name, snapshot in snapshots.items()} == {
        "dev": ("centralindia",),
        "test": ("centralindia",),
        "prod": ("centralindia", "indiasouthcentral"),
    }
    places = {
        group.location for group in snapshots["prod"].of("Microsoft.Resources/resourceGroups") if group.get("tags.cell")
    }
    assert places == set(snapshots["prod"].regions)


def test_roles_of_the_templates_are_those_of_the_rules() -> None:
    text = (TEMPLATES / "types.bicep").read_text(encoding="utf-8")
    block = text[text.index("var roles = {") : text.index("}", text.index("var roles = {"))]
    assert {number: name for name, number in re.findall(r"'?(\w[\w ]*)'?: '([0-9a-f-]{36})'", block)} == ROLES
