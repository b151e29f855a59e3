"""Tables in the pages say what the code says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices
from pydantic_core import PydanticUndefined

from sandbox.verify.model import INVARIANTS
from shared.config import Settings
from shared.contracts.candles import MOST_DAYS
from shared.contracts.quote_packing import FIELDS, FIELDS_OF
from shared.contracts.routes import ROUTES
from shared.contracts.routes.route import TRADER, LimitedBy, Route
from shared.domain.ledger.accounts import Account
from shared.domain.orders.order import TERMINAL, Owner, State, Status
from tests.docs.generated import ORDER_STATES, ROOT, moves, order_states

DOCS = ROOT / "docs"
ARCHITECTURE, TRADERS, OPERATIONS = DOCS / "architecture.md", DOCS / "guide/trader-api.md", DOCS / "guide/operations.md"
RECORDS = sorted(
    [*(DOCS / "adr").glob("0*.md"), *(ROOT / "emulators/docs/adr").glob("0*.md")], key=lambda path: path.name
)
NOT_YET = {"PENDING_REPLACE"}
LIMITS = json.loads((ROOT / "shared/data/rate_limits.json").read_bytes())


def table(page: Path, name: str) -> list[list[str]]:
    """Cells of the rows between `<!-- name: … -->` and `<!-- end of name -->`, without the head."""
    text = page.read_text(encoding="utf-8")
    block = re.search(rf"<!-- {name}:.*?-->\n(.*?)<!-- end of {name} -->", text, re.DOTALL)
    assert block is not None, f"{page.name} has no table {name}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block[1].splitlines()]
    return rows[2:]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_machine_readable_states_are_up_to_date() -> None:
    assert ORDER_STATES.read_text(encoding="utf-8") == order_states(), "run: .venv/bin/python -m tests.docs.generated"


def test_listed_moves_are_the_moves_orders_make() -> None:
    listed = [
        (*codes(before), event, *codes(after))
        for before, after, by in table(ARCHITECTURE, "moves")
        for event in codes(by)
    ]
    assert listed == moves()


def test_every_state_before_the_end_can_end() -> None:
    ways = {(before, after) for before, _, after in moves()}
    assert {before for before, _ in ways} == {state.value for state in set(State) - TERMINAL}
    assert {after for _, after in ways} == {state.value for state in set(State) - {State.ACCEPTED}}


def test_statuses_are_those_of_the_contract() -> None:
    listed = {codes(status)[0]: ended == "yes" for status, _, ended in table(TRADERS, "statuses")}
    assert listed.keys() == {status.value for status in Status} - NOT_YET
    assert {status for status, ended in listed.items() if ended} == {state.value for state in TERMINAL}


def test_chart_of_accounts_is_the_ledger_s() -> None:
    assert [codes(account)[0] for account, _ in table(ARCHITECTURE, "accounts")] == [each.value for each in Account]


def test_every_owner_of_an_order_is_listed() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert [owner for owner in Owner if f"| `{owner}` |" not in text] == []


def _row(route: Route[Any, Any]) -> tuple[str, str, str]:
    default = str(LIMITS["default_requests_per_minute"])
    limit = str(LIMITS["requests_per_minute"].get(route.limit_name, default))
    return route.call, route.summary, "none" if route.limited_by is LimitedBy.NOBODY else limit


@pytest.mark.parametrize(("page", "for_traders"), [(TRADERS, True), (OPERATIONS, False)], ids=["traders", "operations"])
def test_guide_lists_each_route_with_its_limit(page: Path, for_traders: bool) -> None:
    listed = [(codes(call)[0], what, limit) for call, what, limit in table(page, "routes")]
    wanted = [route for route in ROUTES if (route.public or bool(route.roles & TRADER)) == for_traders]
    assert sorted(listed) == sorted(map(_row, wanted))


def test_packed_fields_are_those_of_the_code() -> None:
    listed = [
        (place, codes(name)[0], mode) for place, name, mode, _ in table(DOCS / "reference/packed-quotes.md", "fields")
    ]
    first_modes = [next(mode for mode, end in FIELDS_OF.items() if place < end) for place in range(len(FIELDS))]
    assert listed == [(str(place), *each) for place, each in enumerate(zip(FIELDS, first_modes, strict=True))]


def test_ranges_of_candles_are_those_of_the_contract() -> None:
    listed = {code: days for intervals, days in table(TRADERS, "ranges") for code in codes(intervals)}
    assert listed == {interval.value: f"{days} days" for interval, days in MOST_DAYS.items()}


def _setting(name: str) -> tuple[str, str]:
    field = Settings.model_fields[name]
    alias = field.validation_alias
    shown = str(alias.choices[0]) if isinstance(alias, AliasChoices) else name.upper()
    if field.default is PydanticUndefined:
        return shown, "required"
    return shown, "" if field.default is None else f"`{field.default}`"


def test_settings_page_is_the_settings_class() -> None:
    listed = [(codes(name)[0], default) for name, default, _ in table(DOCS / "reference/settings.md", "settings")]
    assert listed == [_setting(name) for name in Settings.model_fields]


def test_invariants_page_lists_those_that_verify_checks() -> None:
    listed = {int(number): text for number, text in table(DOCS / "reference/invariants.md", "invariants")}
    assert listed == INVARIANTS


def test_every_goal_that_benchmarks_name_is_defined() -> None:
    defined = re.findall(r"^\| (P\d+[a-z]?) \|", (DOCS / "performance.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = [DOCS / "performance.md", *(ROOT / "bench").rglob("*.py")]
    named = {goal for page in pages for goal in re.findall(r"\bP\d+[a-c]?\b", page.read_text(encoding="utf-8"))}
    assert named <= set(defined)


def test_sample_settings_are_all_known() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_bytes())["Values"]
    page = (DOCS / "reference/settings.md").read_text(encoding="utf-8")
    assert [name for name in sample if f"`{name}`" not in page] == []


def test_index_of_decisions_names_every_record() -> None:
    titles = {path: path.read_text(encoding="utf-8").partition("\n")[0] for path in RECORDS}
    index = (DOCS / "adr/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"\[(\d+)\]\(([^)]+)\) \| (.+?) \|", index)
    assert {(DOCS / "adr" / link).resolve(): f"# {number} {title}" for number, link, title in rows} == titles
    assert [path.name[:4] for path in RECORDS] == [f"{number:04d}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_decision_has_its_four_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^(Context|Decision|Consequences)\. ", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
    ]
