"""Applications in Entra ID: scope and roles are the route table's; a second run changes nothing."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.entra.calls import manifest, subjects
from shared.contracts.routes import ROUTES
from shared.contracts.routes.route import SCOPE

ROOT = Path(__file__).parents[2]
# An Azure CLI that keeps what it is asked for in a folder, as Graph does: PATCH merges, GET reads.
AZ = """#!{python}
import json, pathlib, sys, uuid
store = pathlib.Path({store!r})
store.mkdir(exist_ok=True)
arguments = sys.argv[1:]
value = lambda name: arguments[arguments.index(name) + 1]
path = value("--url").partition("/v1.0/")[2].partition("?")[0]
if path.startswith("applications(appId="):
    wanted = path.split("'")[1]
    (file,) = [each for each in store.iterdir() if json.loads(each.read_text()).get("appId") == wanted]
else:
    file = store / uuid.uuid5(uuid.NAMESPACE_URL, path).hex
new = {{"appId": str(uuid.uuid5(uuid.NAMESPACE_OID, path)), "path": path}}
kept = json.loads(file.read_text()) if file.exists() else new
if value("--method") == "patch":
    assert "Prefer=create-if-missing" in arguments
    kept.update(json.loads(value("--body")))
    file.write_text(json.dumps(kept, sort_keys=True))
else:
    assert file.exists()
print(json.dumps(kept))
"""


def test_roles_and_scope_are_those_of_the_route_table() -> None:
    application = manifest()
    scopes = [scope["value"] for scope in application["api"]["oauth2PermissionScopes"]]
    assert scopes == [SCOPE]
    assert {role["value"] for role in application["appRoles"]} == {role for route in ROUTES for role in route.roles}
    ids = [each["id"] for each in (*application["appRoles"], *application["api"]["oauth2PermissionScopes"])]
    assert len(set(ids)) == len(ids)
    assert application["api"]["requestedAccessTokenVersion"] == 2
    assert "idtyp" in {claim["name"] for claim in application["optionalClaims"]["accessToken"]}


def test_only_jobs_of_the_environment_may_deploy_it() -> None:
    assert subjects("prod", "o/r")["broker-prod-deploy"] == "repo:o/r:environment:prod"
    assert subjects("prod", "o/r")["broker-prod-preview"] == "repo:o/r:pull_request"


def run(store: Path, binary: Path) -> str:
    command = [sys.executable, "-m", "infra.entra", "prod", "--repository", "o/r"]
    environment = {**os.environ, "PATH": f"{binary}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + "".join(sorted(each.read_text() for each in store.iterdir()))


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    store, binary = tmp_path / "graph", tmp_path / "bin"
    binary.mkdir()
    az = binary / "az"
    az.write_text(AZ.format(python=sys.executable, store=str(store)))
    az.chmod(az.stat().st_mode | stat.S_IXUSR)
    first = run(store, binary)
    assert run(store, binary) == first
    kept = [json.loads(each.read_text()) for each in store.iterdir()]
    (api,) = [each for each in kept if each["path"] == "applications(uniqueName='broker-prod-api')"]
    assert api["identifierUris"] == [f"api://{api['appId']}"]
    assert not [each for each in kept if "passwordCredentials" in each or "keyCredentials" in each]


@pytest.mark.parametrize("named", ["access_as_user", "trader"])
def test_sandbox_has_the_same_scope_and_roles(named: str) -> None:
    api = json.loads((ROOT / "sandbox/demo.json").read_bytes())["api"]
    assert named in {*api["scopes"], *api["app_roles"]}
    assert set(api["app_roles"]) == {role["value"] for role in manifest()["appRoles"]}
