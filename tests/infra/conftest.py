"""What the templates become, compiled once for all tests of a run."""

import fcntl
import hashlib
import json
from pathlib import Path

import pytest

from infra.compiler import ENVIRONMENTS, TEMPLATES, compiler, expand
from infra.rules.snapshot import Snapshot


@pytest.fixture(scope="session")
def bicep() -> Path:
    """The compiler; tests that need it are skipped without one."""
    path = compiler()
    if path is None:
        pytest.skip("the Bicep compiler is not here: name it with BICEP, or install it in PATH")
    return path


@pytest.fixture(scope="session")
def snapshots(bicep: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Snapshot]:
    """Each environment. Processes of one test run share what one of them has compiled."""
    folder = tmp_path_factory.getbasetemp().parent / f"bicep-{_fingerprint()}"
    folder.mkdir(exist_ok=True)
    return {name: Snapshot(name, _expanded(name, folder / f"{name}.json")) for name in ENVIRONMENTS}


def _expanded(environment: str, kept: Path) -> dict[str, object]:
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            fresh = kept.with_suffix(".fresh")
            fresh.write_text(json.dumps(expand(environment)), encoding="utf-8")
            fresh.replace(kept)
    content: dict[str, object] = json.loads(kept.read_bytes())
    return content


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(TEMPLATES.rglob("*")):
        if path.is_file():
            digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
