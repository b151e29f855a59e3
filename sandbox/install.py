"""Make `.venv` with Python 3.13 and install one locked set of requirements: `install.py sandbox|dev`.

Run by the system's Python before anything is installed, so it uses the standard library alone. Nothing
is done when the lock file is unchanged; two installers wait for each other; pip keeps no cache outside.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_VENV = _ROOT / ".venv"
_EMULATORS = _ROOT / "emulators"
_SETS = {"sandbox": ("sandbox",), "dev": ("sandbox", "dev")}  # dev.txt contains all of sandbox.txt


def main(wanted: str) -> None:
    """Install the set unless it is there."""
    try:
        _VENV.mkdir(exist_ok=True)
        with (_VENV / "install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _python_works():
                _make_environment()
            if _stamp(wanted) != _fingerprint(wanted):
                _install(wanted)
    except OSError as error:
        _fail(f"{error.filename or _VENV} cannot be written ({error.strerror}): make the checkout writable")


def _python_works() -> bool:
    python = _VENV / "bin" / "python"
    check = "import pip, sys; sys.exit(sys.version_info[:2] != (3, 13))"
    return python.exists() and subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def _make_environment() -> None:
    _say("Making .venv")
    for entry in _VENV.iterdir():
        if entry.name != "install.lock":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    made = subprocess.run([sys.executable, "-m", "venv", _VENV], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        _fail("This Python cannot make virtual environments: install its venv package (Debian: python3.13-venv)")


def _install(wanted: str) -> None:
    lock = _lock_file(wanted)
    _say(f"Installing {lock.relative_to(_ROOT)} into .venv (only when it changes)")
    temporary = _VENV / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    pip: list[str | Path] = [_VENV / "bin" / "python", "-m", "pip", "install"]
    pip += ["--disable-pip-version-check", "--no-cache-dir"]
    locked = [*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", lock]
    # pip refuses folders beside hashes; what this one needs, its build backend too, was installed from the lock.
    by_path = [*pip, "--no-deps", "--no-build-isolation", "--editable", _EMULATORS]
    output = _run_showing_progress(locked, environment, _packages(lock))
    if output is None:
        output = _run_showing_progress(by_path, environment, 1)
    shutil.rmtree(temporary)
    if output is not None:
        sys.stderr.write(output)
        _fail("The requirements could not be installed: see pip's output above, check the network and try again")
    for name in _SETS[wanted]:
        _stamp_file(name).write_text(_fingerprint(name))


def _run_showing_progress(command: list[str | Path], environment: dict[str, str], packages: int) -> str | None:
    """Run pip and show its progress (on a terminal: one line that counts); returns its last lines if it failed."""
    lines: deque[str] = deque(maxlen=40)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        assert pip.stdout is not None
        fetched = 0
        for line in pip.stdout:
            lines.append(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied: ")):
                fetched += 1
                _show_progress(fetched, packages, line.split()[1])
            elif line.startswith("Installing collected packages"):
                _say(f"{_line_start()}  installing {packages} package{'s' if packages > 1 else ''}")
    return "".join(lines) if pip.returncode else None


def _show_progress(fetched: int, packages: int, name: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(f"{_line_start()}  {fetched} of {packages} packages: {name[:50]}")
        sys.stdout.flush()
    elif fetched % 20 == 0:
        _say(f"  {fetched} of {packages} packages fetched")


def _line_start() -> str:
    return "\r\x1b[K" if sys.stdout.isatty() else ""


def _packages(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text().splitlines())


def _lock_file(name: str) -> Path:
    return _ROOT / "requirements" / f"{name}.txt"


def _stamp_file(name: str) -> Path:
    return _VENV / f"installed-{name}"


def _stamp(name: str) -> str:
    file = _stamp_file(name)
    return file.read_text() if file.exists() else ""


def _fingerprint(name: str) -> str:
    """Of the lock and of how the emulators' package is put together."""
    files = (_lock_file(name), _EMULATORS / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fail(sentence: str) -> None:
    sys.exit(f"Error: {sentence}.")


if __name__ == "__main__":
    main(sys.argv[1])
