"""The command line answers mistakes with a sentence."""

import socket
from pathlib import Path

import pytest

from tests.sandbox.helpers import command


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["token", "alice"], "There is no sandbox in"),
        (["status"], "There is no sandbox in"),
        (["clock"], "There is no sandbox in"),
        (["backup"], "There is no sandbox in"),
        (["restore", "/nowhere/backup.tar.gz"], "/nowhere/backup.tar.gz is no backup file"),
        (["run", "--port", "0", "--setting", "NONSENSE"], "--setting NONSENSE is not of the form NAME=VALUE"),
        (["run", "--port", "0", "--only", "flux"], "There is no part 'flux'"),
        (["run", "--port", "0", "--demo", "/nowhere.json"], "/nowhere.json cannot be read"),
    ],
)
def test_mistakes_are_answered_with_one_sentence(data: Path, words: list[str], sentence: str) -> None:
    said = command(*words, "--data", str(data))

    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith(f"Error: {sentence}")
    assert said.stderr.count("\n") == 1


def test_a_taken_port_is_one_sentence(data: Path) -> None:
    with socket.socket() as intruder:
        intruder.bind(("127.0.0.1", 0))
        intruder.listen()

        said = command("run", "--data", str(data), "--port", str(intruder.getsockname()[1]))

    assert said.returncode == 1
    assert "is taken by" in said.stderr
    assert "BROKER_PORT" in said.stderr


def test_an_archive_of_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "other.tar.gz").write_bytes(b"not an archive")

    said = command("restore", str(tmp_path / "other.tar.gz"), "--data", str(data))

    assert said.returncode == 1
    assert "cannot be unpacked" in said.stderr
    assert not (data / "VERSION").exists()
