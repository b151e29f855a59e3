"""The document forbids exactly what the API refuses, and describes its answers: schemathesis with all its checks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ports.identity import Actor
from tests.edge.live import serving
from tests.edge.support import OLGA, SCOPES
from tests.support.databases import Template
from tests.verify.world import ALICE, World

pytestmark = pytest.mark.slow

_SCHEMATHESIS = (
    sys.executable,
    "-m",
    "schemathesis.cli",
    "--config-file",
    Path(__file__).with_name("schemathesis.toml"),
)
_ACTORS = {
    "alice": Actor(ALICE, frozenset({"trader"}), SCOPES),
    "olga": Actor(OLGA, frozenset({"ops_maker"}), SCOPES),
}


@pytest.fixture(scope="module")
def url(busy_template: tuple[Template, World]) -> Iterator[str]:
    with serving(busy_template[0].copy(), _ACTORS) as url:
        yield url


@pytest.mark.parametrize(
    ("user", "which"),
    [
        ("alice", ("--exclude-path-regex", "^/api/(operations|marketdata|watchlists)")),
        ("alice", ("--include-path-regex", "^/api/(marketdata|watchlists)")),
        ("olga", ("--include-path-regex", "^/api/operations")),
    ],
)
def test_document_and_api_agree(url: str, user: str, which: tuple[str, str], tmp_path: Path) -> None:
    checks = ("--checks", "all", "--continue-on-failure", "--max-examples", "30", "--seed", "1", "--no-color")
    who = ("--header", f"Authorization: Bearer {user}")
    run = subprocess.run(
        [*_SCHEMATHESIS, "run", f"{url}/api/openapi.json", *checks, *who, *which],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        cwd=tmp_path,
    )

    assert run.returncode == 0, run.stdout
    assert "No test cases were generated" not in run.stdout
