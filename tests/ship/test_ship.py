"""What goes to Azure: the files that .funcignore leaves, with requirements.txt alone, load as a function app."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = {"function_app.py", "functions", "host.json", "orchestrations", "requirements.txt", "shared"}
LOAD = """
import json, function_app
print(json.dumps(sorted(function.get_function_name() for function in function_app.app.get_functions())))
"""
SETTINGS = {
    "POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ENTRA_ISSUER": "https://login.example/v2.0",
    "ENTRA_AUDIENCE": "broker",
    "ENTRA_JWKS_URL": "https://login.example/keys",
}


def patterns() -> list[str]:
    lines = (ROOT / ".funcignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def ignored(path: PurePosixPath) -> bool:
    return any(fnmatch(f"/{path.parts[0]}", pattern) for pattern in patterns())


def tracked() -> list[PurePosixPath]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [PurePosixPath(name) for name in listed.stdout.split("\0") if name]


def test_ignore_patterns_are_anchored_without_trailing_slash() -> None:
    assert [pattern for pattern in patterns() if not pattern.startswith("/") or pattern.endswith("/")] == []


def test_only_the_app_itself_is_shipped() -> None:
    assert {path.parts[0] for path in tracked() if not ignored(path)} == SHIPPED


@pytest.mark.slow
def test_shipped_files_load_with_their_own_requirements_alone(tmp_path: Path) -> None:
    app = tmp_path / "app"
    for path in tracked():
        if not ignored(path):
            (app / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, app / path)
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    )
    install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--require-hashes", "--only-binary", ":all:"]
    target = ["--target", site.stdout.strip(), "-r", str(app / "requirements.txt")]
    subprocess.run([*install, *target], check=True)
    environment = {"PATH": os.environ["PATH"], **SETTINGS}
    loaded = subprocess.run([python, "-c", LOAD], cwd=app, env=environment, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert {"place_order", "order_saga", "execution_reports", "sweep"} <= set(json.loads(loaded.stdout))


def test_requirements_name_only_what_the_app_imports() -> None:
    wanted = {
        re.sub(r"[-_.]+", "-", re.split(r"[\[ #]", line)[0]).lower()
        for line in (ROOT / "requirements" / "app.in").read_text().splitlines()
        if line and not line.startswith("#")
    }
    sources = [ROOT / path for path in tracked() if not ignored(path) and path.suffix == ".py"]
    imported = {name for source in sources for name in imports(source)}
    provided = importlib.metadata.packages_distributions()
    used = {
        re.sub(r"[-_.]+", "-", distribution).lower()
        for name in imported
        for distribution in provided.get(name.split(".")[0], [])
    }
    assert wanted - used == set()


def imports(source: Path) -> set[str]:
    text = source.read_text()
    named = {
        name
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom) and node.module
            else []
        )
    }
    return named | set(re.findall(r'files\("(\w+)"\)', text))
