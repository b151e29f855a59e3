"""The data folder: whose it is, how old it is, and what is refused."""

from pathlib import Path

import pytest

from sandbox.clean import clean
from sandbox.errors import SandboxError
from sandbox.folder import FORMAT, DataFolder
from sandbox.report import Report


def made(data: Path) -> DataFolder:
    folder = DataFolder.at(data)
    with folder.owned():
        folder.open()
    return folder


def test_a_new_folder_gets_the_current_format(data: Path) -> None:
    assert made(data).format() == FORMAT


def test_an_older_folder_is_migrated_to_current(data: Path) -> None:
    folder = made(data)
    (data / "VERSION").write_text("serverless-broker data folder, format 0\n")

    with folder.owned():
        folder.open()

    assert folder.format() == FORMAT


def test_a_newer_folder_is_refused_with_remedy(data: Path) -> None:
    folder = made(data)
    (data / "VERSION").write_text(f"serverless-broker data folder, format {FORMAT + 1}\n")

    with folder.owned(), pytest.raises(SandboxError, match=r"made by a newer version .* update the code"):
        folder.open()


def test_a_second_owner_is_refused_naming_the_first(data: Path) -> None:
    folder = made(data)

    with (
        folder.owned(),
        pytest.raises(SandboxError, match=r"already runs on .* \(process \d+\): stop it"),
        folder.owned(),
    ):
        pytest.fail("two owners")


def test_a_foreign_folder_is_neither_used_nor_deleted(data: Path) -> None:
    data.mkdir()
    (data / "thesis.txt").write_text("ten years of work")

    with pytest.raises(SandboxError, match="not a sandbox's data folder"):
        made(data)
    with pytest.raises(SandboxError, match="not a sandbox's data folder"):
        clean(data, Report())

    assert {entry.name for entry in data.iterdir()} == {"thesis.txt"}


def test_a_damaged_version_file_is_named(data: Path) -> None:
    folder = made(data)
    (data / "VERSION").write_bytes(b"\x00\xff garbage")

    with pytest.raises(SandboxError, match="VERSION is damaged: restore a backup"):
        folder.format()


def test_an_unwritable_place_is_refused_with_remedy() -> None:
    with pytest.raises(SandboxError, match=r"cannot be used .* choose a folder that you may write"):
        made(Path("/proc/broker-data"))


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(SandboxError, match="cannot be used"):
        made(tmp_path / "data")


def test_other_users_cannot_read_what_it_keeps(data: Path) -> None:
    made(data)

    open_to_others = [entry.name for entry in data.iterdir() if entry.stat().st_mode & 0o077]

    assert open_to_others == []
