"""What `make` runs before anything is installed."""

import os
import re
import subprocess
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def pins(name: str) -> set[str]:
    return set(re.findall(r"^([\w.\-]+(?:\[[\w,]+\])?==\S+)", (_ROOT / name).read_text(), re.MULTILINE))


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words], capture_output=True, text=True, check=False, cwd=_ROOT, env=os.environ | environment
    )


def test_larger_locks_contain_the_smaller_ones() -> None:
    assert pins("requirements.txt") <= pins("requirements/sandbox.txt") <= pins("requirements/dev.txt")


def test_every_requirement_is_locked_with_hashes() -> None:
    for name in ("requirements.txt", "requirements/sandbox.txt", "requirements/dev.txt"):
        blocks = re.split(r"^(?=\w)", (_ROOT / name).read_text(), flags=re.MULTILINE)
        assert [block for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_help_names_every_public_command() -> None:
    said = make("help").stdout

    for command in ("run", "test", "check", "bench", "token", "verify", "backup", "restore", "clean", "help"):
        assert re.search(rf"^  {command}\b", said, re.MULTILINE)


def test_a_missing_python_is_one_sentence(tmp_path: Path) -> None:
    for tool in ("sh", "sed", "make"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")

    said = make("install-sandbox", PATH=str(tmp_path), HOME=str(tmp_path), PYTHON="")

    assert said.returncode != 0
    assert said.stderr.startswith("Error: Python 3.13 was not found: install it")
