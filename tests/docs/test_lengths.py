"""No file of code is too long to be read at once."""

import subprocess

from tests.docs.generated import ROOT

MOST_LINES = 400


def test_no_file_of_code_exceeds_400_lines() -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.sql", "*.mjs", "Makefile"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    lengths = {name: len((ROOT / name).read_bytes().splitlines()) for name in names if (ROOT / name).exists()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
