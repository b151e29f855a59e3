"""The command line as a person runs it, and bounded waiting for a condition."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """`python -m sandbox WORDS...`, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *words], capture_output=True, text=True, check=False, cwd=_ROOT, timeout=60
    )
