"""Starting, healing and stopping, on the real parts that keep state."""

import json
from pathlib import Path

import psycopg
import pytest

from emulators.processes.processes import marked_with
from sandbox.harness import Sandbox, SandboxOptions
from sandbox.leftovers import MARK
from tests.sandbox.conftest import FOUNDATION
from tests.sandbox.helpers import command
from tests.support.waiting import wait_until


def write_note(sandbox: Sandbox, note: str) -> None:
    with psycopg.connect(sandbox.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text PRIMARY KEY)")
        connection.execute("INSERT INTO note VALUES (%s)", (note,))


def read_notes(sandbox: Sandbox) -> list[str]:
    with psycopg.connect(sandbox.dsn()) as connection:
        return [str(row[0]) for row in connection.execute("SELECT text FROM note ORDER BY text")]


def test_a_running_sandbox_hands_out_tokens(shared: Sandbox) -> None:
    said = command("token", "alice", "--data", str(shared.data))

    assert said.returncode == 0
    assert said.stdout.count(".") == 2
    assert said.stdout.count("\n") == 1
    assert said.stderr == ""


def test_an_unknown_user_gets_a_sentence(shared: Sandbox) -> None:
    said = command("token", "mallory", "--data", str(shared.data))

    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("Error: There is no demo user 'mallory'")


def test_a_second_instance_is_refused_politely(shared: Sandbox) -> None:
    said = command("run", "--data", str(shared.data), "--port", "0")

    assert said.returncode == 1
    assert said.stderr.startswith("Error: A sandbox already runs on")
    assert said.stderr.count("\n") == 1


def test_a_running_sandbox_is_not_deleted(shared: Sandbox) -> None:
    said = command("clean", "--data", str(shared.data), "--yes")

    assert said.returncode == 1
    assert shared.running.is_serving()


@pytest.mark.crash
def test_every_killed_part_comes_back(foundation: Sandbox) -> None:
    write_note(foundation, "before")

    for part in ("postgres", "valkey", "entra"):
        foundation.restart(part)

    assert read_notes(foundation) == ["before"]
    assert foundation.token("alice")


@pytest.mark.crash
def test_killing_everything_at_once_loses_nothing(foundation: Sandbox) -> None:
    write_note(foundation, "before")

    foundation.kill_everything()
    foundation.launch()

    assert read_notes(foundation) == ["before"]


@pytest.mark.crash
def test_children_end_with_a_killed_supervisor(foundation: Sandbox) -> None:
    foundation.kill_supervisor()

    wait_until(lambda: not marked_with(MARK, str(foundation.data)))


def test_stopping_leaves_no_process_behind(foundation: Sandbox) -> None:
    assert foundation.stop() == 0
    assert marked_with(MARK, str(foundation.data)) == []
    assert json.loads((foundation.data / "run.json").read_text())["state"] == "stopped"


def test_tokens_of_a_stopped_sandbox_are_refused(stopped: Sandbox) -> None:
    stopped.launch()
    stopped.stop()

    said = command("token", "alice", "--data", str(stopped.data))

    assert (said.returncode, said.stdout) == (1, "")
    assert "start it with `make run`" in said.stderr


def test_a_backup_of_a_running_sandbox_restores(foundation: Sandbox, tmp_path: Path) -> None:
    write_note(foundation, "kept")
    backup, elsewhere = tmp_path / "backup.tar.gz", tmp_path / "restored"

    taken = command("backup", str(backup), "--data", str(foundation.data))
    put_back = command("restore", str(backup), "--data", str(elsewhere))

    assert (taken.returncode, put_back.returncode) == (0, 0), taken.stderr + put_back.stderr
    with Sandbox.start(elsewhere, FOUNDATION) as restored:
        assert read_notes(restored) == ["kept"]
        assert restored.token("bob")


def test_a_restore_over_data_needs_force(stopped: Sandbox, tmp_path: Path) -> None:
    backup, data = tmp_path / "backup.tar.gz", str(stopped.data)
    taken = command("backup", str(backup), "--data", data)
    stopped.launch()
    write_note(stopped, "written after the backup")
    stopped.stop()

    refused = command("restore", str(backup), "--data", data)
    forced = command("restore", str(backup), "--data", data, "--force")

    assert (taken.returncode, refused.returncode, forced.returncode) == (0, 1, 0), forced.stderr
    assert "FORCE=1" in refused.stderr
    with stopped:
        stopped.launch()
        with pytest.raises(psycopg.errors.UndefinedTable):
            read_notes(stopped)


@pytest.mark.parametrize("damage", ["postgres/data/global/pg_control", "postgres/data/PG_VERSION", "postgres/password"])
def test_damaged_postgres_files_are_one_sentence(stopped: Sandbox, damage: str) -> None:
    (stopped.data / damage).write_bytes(b"")

    said = command("run", "--data", str(stopped.data), "--port", "0", "--only", "databases")

    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert said.stderr.count("\n") == 1
    assert "make restore" in said.stderr


def test_a_damaged_cache_is_emptied_and_serves(stopped: Sandbox) -> None:
    for file in (stopped.data / "valkey" / "appendonlydir").iterdir():
        file.write_bytes(b"garbage")

    with Sandbox.start(stopped.data, SandboxOptions(only=("valkey",))) as sandbox:
        assert "made anew" in sandbox.output
