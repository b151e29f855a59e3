"""A small sandbox: everything that holds state, without the broker itself."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.harness import Sandbox, SandboxOptions

FOUNDATION = SandboxOptions(only=("databases", "valkey", "entra"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("template") / "data"
    Sandbox.start(data, FOUNDATION).stop()
    (data / "ports.json").unlink()  # copies choose their own
    return data


@pytest.fixture
def stopped(_template: Path, data: Path) -> Sandbox:
    """A sandbox that ran before and was stopped in order."""
    subprocess.run(["cp", "-a", str(_template), str(data)], check=True)
    return Sandbox(data, FOUNDATION)


@pytest.fixture
def foundation(stopped: Sandbox) -> Iterator[Sandbox]:
    """A running sandbox of its own, for tests that change or kill it."""
    stopped.launch()
    with stopped:
        yield stopped


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox for tests that only ask."""
    with Sandbox.start(tmp_path_factory.mktemp("shared") / "data", FOUNDATION) as sandbox:
        yield sandbox
