"""The Bicep compiler: where it is, and what the templates become for an environment without asking Azure.

`BICEP` names the compiler; otherwise it is looked for in PATH.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
TEMPLATES: Final = ROOT / "infra" / "bicep"
ENVIRONMENTS: Final = ("dev", "test", "prod")
SUBSCRIPTION: Final = "00000000-0000-4000-8000-000000000001"
TENANT: Final = "00000000-0000-4000-8000-000000000002"
LOCATION: Final = "centralindia"
_TIMEOUT_S: Final = 240


class CompilerError(Exception):
    """The templates were refused; the message is the compiler's."""


def compiler() -> Path | None:
    """The compiler, or None when there is none."""
    named = os.environ.get("BICEP")
    if named:
        path = (ROOT / named).resolve()
        return path if path.exists() else None
    found = shutil.which("bicep")
    return Path(found) if found else None


def expand(environment: str, templates: Path = TEMPLATES, subscription: str = SUBSCRIPTION) -> dict[str, Any]:
    """Every resource of an environment, with its final name and properties. Raises CompilerError.

    Subscription, tenant and location are pinned, so that names and ids are the same everywhere. A warning is an error.
    """
    path = compiler()
    if path is None:
        raise CompilerError("the Bicep compiler was not found: name it with BICEP, or install it in PATH")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bicep"
        shutil.copytree(templates, copy)
        parameters = copy / "environments" / f"{environment}.bicepparam"
        pins = ["--subscription-id", subscription, "--tenant-id", TENANT, "--location", LOCATION]
        done = subprocess.run(
            [path, "snapshot", parameters, *pins],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            env={**os.environ, "BICEP_TRACING_ENABLED": "false"},
        )
        said = (done.stdout + done.stderr).strip().replace(str(copy), "infra/bicep")
        if done.returncode or said:
            raise CompilerError(said)
        content: dict[str, Any] = json.loads(parameters.with_suffix(".snapshot.json").read_bytes())
    return content
