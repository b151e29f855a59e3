"""The demo people exist, own what the market lists, and can be let in."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from emulators.entra.directory import Directory
from sandbox.demo import Demo
from sandbox.errors import SandboxError

_INSTRUMENTS = Path(__file__).parents[2] / "shared" / "data" / "instruments.csv"


def test_demo_people_have_promised_roles_and_status() -> None:
    people = {user.name: (user.roles, user.kyc) for user in Demo.read().users}

    assert people["alice"] == people["bob"] == (("trader",), "ACTIVE")
    assert people["carol"] == (("trader",), "NOT_STARTED")
    assert {name: people[name][0] for name in ("olga", "oscar", "chris", "adam")} == {
        "olga": ("ops_maker",),
        "oscar": ("ops_checker",),
        "chris": ("compliance",),
        "adam": ("admin",),
    }


def test_demo_traders_own_cash_and_listed_shares() -> None:
    with _INSTRUMENTS.open() as file:
        listed = {row["instrument_id"] for row in csv.DictReader(file)}

    for name in ("alice", "bob"):
        user = Demo.read().user(name)
        assert user.cash_inr == Decimal("1000000.00")
        assert len(user.holdings) >= 3
        assert set(user.holdings) <= listed


def test_the_identity_directory_is_accepted_by_emulator() -> None:
    content = Demo.read().identity_directory("a-demo-password", "a-service-secret-of-length")

    directory = Directory.model_validate(content)

    assert directory.tenants[0].user("alice@broker.example") is not None


def test_an_unknown_user_is_answered_with_names() -> None:
    with pytest.raises(SandboxError, match="no demo user 'mallory': choose one of alice, bob"):
        Demo.read().user("mallory")


def test_a_faulty_demo_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text('{"users": 3}')

    with pytest.raises(SandboxError, match=r"demo\.json is not a demo file: correct"):
        Demo.read(tmp_path / "demo.json")
