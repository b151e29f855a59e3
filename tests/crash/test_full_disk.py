"""A file system without room, under load: nothing stops for good, and nothing that was accepted is lost."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import httpx
import pytest

from sandbox.folder import DataFolder
from sandbox.harness import Sandbox, SandboxOptions
from sandbox.ports import free_port
from tests.crash.conftest import Doomed
from tests.crash.load import Load
from tests.e2e.world import Client, eventually, write_demo
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]
_TRADERS = 40
_FULL_S, _FLOWS_WITHIN_S = 5.0, 10.0
_PIECE = 1024 * 1024
_NEXT_WAL_FILE = "SELECT pg_switch_wal()::text FROM pg_logical_emit_message(true, '', '')"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[Path, str], None]]:
    """Mounts file systems in memory of a given size."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def cramped(tmp_path: Path, mount: Callable[[Path, str], None]) -> Iterator[Doomed]:
    """A sandbox whose data and whose logs lie on small file systems."""
    data = tmp_path / "data"
    mount(data, "500m")
    DataFolder.at(data).open()
    mount(data / "logs", "8m")
    demo = write_demo(tmp_path / "demo.json", _TRADERS)
    options = SandboxOptions(port=free_port(), groups="default", demo=demo)
    with Sandbox.start(data, options) as sandbox:
        yield Doomed.of(sandbox)


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Leave no byte free, also when others free some."""
    filler, stop = folder / "filler", threading.Event()

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            while not stop.wait(0.01):
                while _has_room(file):
                    continue

    filling = threading.Thread(target=fill, name="filler")
    filling.start()
    try:
        yield
    finally:
        stop.set()
        filling.join()
        filler.unlink()


def _has_room(file: FileIO) -> bool:
    size = _PIECE
    while size:
        try:
            file.write(bytes(size))
        except OSError:
            size //= 2
        else:
            return True
    return False


def test_orders_flow_again_after_a_full_disk(cramped: Doomed, tmp_path: Path) -> None:
    journal, data = tmp_path / "journal.jsonl", cramped.sandbox.data
    traders = [cramped.client(f"trader-{number}") for number in range(_TRADERS)]

    with Load(cramped.sandbox.base_url, traders, journal) as load:
        for folder in (data / "logs", data):
            load.let_in(20)
            with _full(folder):
                threading.Event().wait(_FULL_S / 2)
                _make_trouble(cramped, folder)
                threading.Event().wait(_FULL_S / 2)
            again = time.monotonic()
            order_id = _placed(traders[0], again)
            traders[0].until(order_id, "FILLED", within_s=_FLOWS_WITHIN_S - (time.monotonic() - again))

    assert load.faults == []
    cramped.settle()
    cramped.assert_sound(journal=journal)


def _make_trouble(cramped: Doomed, folder: Path) -> None:
    """What a full disk alone brings only sooner or later: PostgreSQL needs a new file, and processes end."""
    if folder == cramped.sandbox.data:
        wait_until(lambda: not cramped.ask(_NEXT_WAL_FILE), what="PostgreSQL's end")
    for child in cramped.sandbox.host_children():
        os.kill(child, signal.SIGKILL)
    for part in ("exchange", "messaging", "valkey"):
        if cramped.sandbox.running.pids().get(part) is not None:
            cramped.sandbox.kill(part)


def _placed(trader: Client, since: float) -> str:
    """The id of an order, once one is accepted."""

    def place() -> str | None:
        try:
            response = trader.place(order_type="MARKET", price=None)
        except httpx.TransportError:
            return None
        return str(response.json()["order_id"]) if response.status_code == httpx.codes.ACCEPTED else None

    return eventually(place, "an accepted order", _FLOWS_WITHIN_S)
