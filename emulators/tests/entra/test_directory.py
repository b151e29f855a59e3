"""A directory file is accepted whole or refused in one sentence."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulators.entra.directory import Directory, DirectoryError
from emulators.tests.entra.conftest import ALICE, DIRECTORY


def _unknown_field(tenant: dict[str, Any]) -> None:
    tenant["users"][0]["passwort"] = "x"


def _undeclared_role(tenant: dict[str, Any]) -> None:
    tenant["users"][0]["assignments"][0]["roles"] = ["king"]


def _unknown_application(tenant: dict[str, Any]) -> None:
    tenant["users"][0]["assignments"][0]["application"] = ALICE


def _short_secret(tenant: dict[str, Any]) -> None:
    tenant["applications"][2]["secret"] = "short"


@pytest.mark.parametrize("spoil", [_unknown_field, _undeclared_role, _unknown_application, _short_secret])
def test_a_faulty_directory_is_refused_naming_it(tmp_path: Path, spoil: Callable[[dict[str, Any]], None]) -> None:
    content = copy.deepcopy(DIRECTORY)
    spoil(content["tenants"][0])
    path = tmp_path / "entra.json"
    path.write_text(json.dumps(content))

    with pytest.raises(DirectoryError, match=r"entra\.json is not a directory of tenants: tenants\.0"):
        Directory.read(path)


def test_garbage_is_refused_as_not_json(tmp_path: Path) -> None:
    path = tmp_path / "entra.json"
    path.write_bytes(b"\x00{not json")

    with pytest.raises(DirectoryError, match="not valid JSON"):
        Directory.read(path)


def test_a_missing_file_is_named_plainly(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match=r"absent\.json cannot be read: No such file"):
        Directory.read(tmp_path / "absent.json")
