"""Ports, secrets and app settings are made once, kept, private and read with care."""

import json
import socket
import stat
from pathlib import Path

import pytest

from sandbox.demo import Demo
from sandbox.errors import SandboxError
from sandbox.folder import DataFolder
from sandbox.ports import NAMES, keep_ports, require_free
from sandbox.settings import Endpoints, Secrets, write_app_settings


@pytest.fixture
def folder(data: Path) -> DataFolder:
    folder = DataFolder.at(data)
    with folder.owned():
        folder.open()
    return folder


def endpoints(folder: DataFolder) -> Endpoints:
    return Endpoints(keep_ports(folder), Secrets.keep(folder), "p@ss/word", Demo.read())


def test_ports_stay_the_same_between_runs(folder: DataFolder) -> None:
    first = keep_ports(folder)

    assert keep_ports(folder) == first
    assert set(first) == set(NAMES)
    assert len(set(first.values())) == len(NAMES)


def test_a_taken_port_is_chosen_again(folder: DataFolder) -> None:
    first = keep_ports(folder)
    with socket.socket() as intruder:
        intruder.bind(("127.0.0.1", first["valkey"]))
        intruder.listen()

        second = keep_ports(folder)

    assert second["valkey"] != first["valkey"]
    assert {name for name in NAMES if first[name] != second[name]} == {"valkey"}


@pytest.mark.parametrize("content", ["garbage", "[]", '{"postgres": "x", "valkey": -1, "entra": 7071.5}'])
def test_damaged_port_files_are_made_again(folder: DataFolder, content: str) -> None:
    folder.ports_file.write_text(content)

    ports = keep_ports(folder)

    assert json.loads(folder.ports_file.read_text()) == ports


def test_a_taken_broker_port_names_its_owner() -> None:
    with socket.socket() as intruder:
        intruder.bind(("127.0.0.1", 0))
        intruder.listen()

        with pytest.raises(SandboxError, match=r"is taken by .*: stop it, or choose another port with BROKER_PORT"):
            require_free(intruder.getsockname()[1])


def test_secrets_are_private_and_stay_the_same(folder: DataFolder) -> None:
    first = Secrets.keep(folder)

    assert Secrets.keep(folder) == first
    assert stat.S_IMODE(folder.secrets_file.stat().st_mode) == 0o600


def test_damaged_secrets_are_named_with_remedy(folder: DataFolder) -> None:
    folder.secrets_file.write_text("{cut sho")

    with pytest.raises(SandboxError, match=r"secrets\.json is damaged .*: restore a backup"):
        Secrets.keep(folder)


def test_settings_cover_the_sample_and_keep_additions(folder: DataFolder) -> None:
    folder.settings_file.write_text(json.dumps({"Values": {"MINE": "kept", "POSTGRES_URL": "elsewhere"}}))

    values = write_app_settings(folder, endpoints(folder), 7071, {"EXTRA": "1"})

    sample = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())["Values"]
    assert set(values) == {*sample, "MINE", "EXTRA", "SERVICE_BUS_ADMIN_CA"}
    assert values["MINE"] == "kept"
    assert values["POSTGRES_URL"].startswith("postgresql://postgres:p%40ss%2Fword@127.0.0.1:")
    assert stat.S_IMODE(folder.settings_file.stat().st_mode) == 0o600


def test_no_placeholder_of_the_sample_survives(folder: DataFolder) -> None:
    values = write_app_settings(folder, endpoints(folder), 7071, {})

    placeholders = ("PASSWORD", "=KEY;", "TENANT", "CLIENT_ID")
    assert not [name for name, value in values.items() if any(word in value for word in placeholders)]


@pytest.mark.parametrize("content", ["garbage", '{"Values": 3}'])
def test_damaged_settings_are_named_with_remedy(folder: DataFolder, content: str) -> None:
    folder.settings_file.write_text(content)

    with pytest.raises(SandboxError, match=r"local\.settings\.json is damaged .*delete it"):
        write_app_settings(folder, endpoints(folder), 7071, {})
