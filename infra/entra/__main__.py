"""Make or update the applications of an environment: `python -m infra.entra ENVIRONMENT --repository OWNER/NAME`."""

import argparse
import json
import subprocess
import sys
from typing import Any

from infra.compiler import ENVIRONMENTS
from infra.entra.calls import GRAPH, Upsert, applications, identifier, principal

_TIMEOUT_S = 60


def _az_rest(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call of Graph with the rights of whoever is signed in to the Azure CLI. Raises CalledProcessError."""
    command = ["az", "rest", "--method", method, "--url", f"{GRAPH}/{path}", "--output", "json"]
    if body is not None:
        command += [
            "--headers",
            "Content-Type=application/json",
            "Prefer=create-if-missing",
            "--body",
            json.dumps(body),
        ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    content: dict[str, Any] = json.loads(done.stdout or "{}")
    return content


def _app_id(application: str) -> str:
    return str(_az_rest("get", f"{application}?$select=appId")["appId"])


def _upsert(call: Upsert) -> None:
    _az_rest("patch", call.path, call.body)


def apply(environment: str, repository: str) -> dict[str, str]:
    """Make or update all of it; returns the applications' client ids by name. Raises CalledProcessError."""
    found: dict[str, str] = {}
    for call in applications(environment, repository):
        _upsert(call)
        if "/" in call.path:
            continue
        app_id = _app_id(call.path)
        found[call.path.split("'")[1]] = app_id
        _upsert(principal(app_id))
    api = found[f"broker-{environment}-api"]
    _az_rest("patch", f"applications(appId='{api}')", identifier(api))
    return found


def main() -> None:
    """Read the command line and do it, or only show it."""
    parser = argparse.ArgumentParser(prog="python -m infra.entra", description=__doc__)
    parser.add_argument("environment", choices=ENVIRONMENTS)
    parser.add_argument("--repository", required=True, help="OWNER/NAME on GitHub, whose jobs deploy")
    parser.add_argument("--dry-run", action="store_true", help="only show the calls")
    options = parser.parse_args()
    if options.dry_run:
        for call in applications(options.environment, options.repository):
            sys.stdout.write(f"PATCH {GRAPH}/{call.path}\n{json.dumps(call.body, indent=2)}\n")
        return
    try:
        found = apply(options.environment, options.repository)
    except FileNotFoundError:
        sys.exit("Error: the Azure CLI was not found: install it, and sign in with `az login`")
    except subprocess.CalledProcessError as error:
        sys.exit(f"Error: Graph refused a call: {error.stderr.strip()}")
    sys.stdout.writelines(f"{name}: {app_id}\n" for name, app_id in found.items())


if __name__ == "__main__":
    main()
