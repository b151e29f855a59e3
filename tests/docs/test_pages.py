"""Links resolve, diagrams fit the screen, and every command that a page names exists."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from sandbox.cli import app
from tests.docs.generated import ROOT

EMULATORS = ROOT / "emulators"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *EMULATORS.glob("*.md"), *(EMULATORS / "docs").rglob("*.md")]
)
MOST_DIAGRAM_COLUMNS = 100
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_MODULE = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
_SANDBOX = re.compile(r"python -m sandbox ([a-z]+)((?: +--[a-z-]+)*)")
_PATH = re.compile(
    r"^(?:shared|functions|orchestrations|emulators|simulators|sandbox|tests|docs|requirements)/[\w./-]*$"
)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{named(page)} links to {link}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wanted = set(re.findall(r"(?:^ {4}|`|\$ |&& |\()make (?:-s )?([a-z][a-z-]*)", text, re.MULTILINE))
    assert wanted <= make_targets()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_module_that_is_named_exists(page: Path) -> None:
    installed = {"pytest", "pip", "venv"}
    for module in set(_MODULE.findall(page.read_text(encoding="utf-8"))) - installed:
        path = ROOT.joinpath(*module.split("."))
        assert (path / "__main__.py").exists() or path.with_suffix(".py").exists(), f"{named(page)}: {module}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_sandbox_command_and_option_exists(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, options in _SANDBOX.findall(page.read_text(encoding="utf-8")):
        assert name in commands, f"{named(page)}: python -m sandbox {name}"
        known = {option for parameter in commands[name].params for option in parameter.opts} | {"--help"}
        assert set(options.split()) <= known, f"{named(page)}: python -m sandbox {name}{options}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_path_that_is_named_exists(page: Path) -> None:
    missing = [
        path
        for path in _CODE.findall(page.read_text(encoding="utf-8"))
        if _PATH.match(path) and not (ROOT / path).exists() and path not in PROMISED
    ]
    assert not missing


PROMISED = {"shared/adapters/postgres/migrations/0002_what_it_does.sql"}
"""Files that a recipe asks the reader to create."""


def diagrams(page: Path) -> list[str]:
    """Indented blocks that draw arrows or boxes."""
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [block for block in blocks if re.search(r"-->|<--|--->|- - -", block) and "$ " not in block]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_diagrams_fit_a_hundred_columns(page: Path) -> None:
    wide = [line for block in diagrams(page) for line in block.splitlines() if len(line) > MOST_DIAGRAM_COLUMNS]
    assert not wide


def test_no_page_is_out_of_reach_from_the_readme() -> None:
    reached, wave = set(), {ROOT / "README.md"}
    while wave:
        reached |= wave
        links = {
            (page.parent / link.partition("#")[0]).resolve()
            for page in wave
            for link in _LINK.findall(page.read_text(encoding="utf-8"))
            if link.partition("#")[0].endswith(".md") and "://" not in link
        }
        wave = links - reached
    assert {named(page) for page in set(PAGES) - reached} == set()


def test_gate_is_described_as_it_runs() -> None:
    guide = (ROOT / "docs" / "guide" / "contributor.md").read_text(encoding="utf-8")
    check = re.search(r"^check:.*?\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert check is not None
    commands = [line.strip().removeprefix(".venv/bin/") for line in check[1].splitlines()]
    assert [command for command in commands if f"`{command}`" not in guide] == []


def test_every_folder_of_tests_stands_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guide" / "contributor.md").read_text(encoding="utf-8")
    tests = ROOT / "tests"
    folders = {path.relative_to(tests).parts[0] for path in tests.glob("*/**/test_*.py")}
    assert {name for name in folders if f"`tests/{name}`" not in guide} == set()


def test_layers_of_the_import_contract_are_as_configured() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    packages, inside = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert " > ".join(packages) in page
    shown = [layer.replace("shared.", "") for layer in inside]
    assert " > ".join(f"({layer})" if "|" in layer else layer for layer in shown) in page
