"""The exchange and the messaging emulator as processes, for end-to-end tests."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
_CONFIG = {
    "UserConfig": {
        "Namespaces": [
            {
                "Name": "sbemulatorns",
                "Queues": [
                    {"Name": "exchange-requests", "Properties": {"RequiresSession": True, "LockDuration": "PT30S"}},
                    {"Name": "execution-reports", "Properties": {"LockDuration": "PT30S"}},
                ],
            }
        ],
        "NamespaceConfig": [
            {"Type": "EventHub", "Name": "emulatorNs1", "Entities": [{"Name": "market-ticks", "PartitionCount": 4}]}
        ],
        "Logging": {"Type": "Console"},
    }
}


def quiet_port() -> int:
    """A free port that no outgoing connection can be given while its server is away (those are 32768 and up)."""
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.randint(20_000, 32_000)))
            except OSError:
                continue
            return int(probe.getsockname()[1])


class Process:
    """A child whose first line on stdout says that it is ready."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log: IO[bytes] = log.open("ab")
        self._child = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, env=os.environ
        )
        assert self._child.stdout is not None
        self.ready_line = self._child.stdout.readline().decode()
        assert "ready" in self.ready_line, log.read_text()

    @property
    def pid(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._child.poll() is None:
            self._child.send_signal(number)
        status = self._child.wait(30)
        if self._child.stdout:
            self._child.stdout.close()
        self._log.close()
        return status


def start_messaging(folder: Path, dsn: str, port: int) -> Process:
    """The messaging emulator on `port`."""
    config = folder / "Config.json"
    config.write_text(json.dumps(_CONFIG))
    arguments = ("--database", dsn, "--config", str(config), "--port", str(port))
    return Process(folder / "messaging.log", "emulators.messaging", *arguments)


def connection_string(port: int) -> str:
    """The emulator's, as the official one documents it."""
    return (
        f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=RootManageSharedAccessKey;"
        "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"
    )


def start_exchange(folder: Path, dsn: str, port: int, *options: str) -> Process:
    """The exchange on the messaging emulator of `port`."""
    arguments = ("--database", dsn, "--service-bus", connection_string(port))
    instruments = ("--instruments", str(Path(__file__).with_name("instruments.csv")))
    return Process(folder / "exchange.log", "simulators.exchange", *arguments, *instruments, *options)


def shards(folder: Path) -> Path:
    """A file with the instruments of `instruments.csv` in two shards."""
    file = folder / "shards.csv"
    file.write_text("shard,instrument_id\ns000,NSE:INFY\ns000,NSE:TCS\ns001,NSE:LOTS\n")
    return file


def start_feed(folder: Path, exchange: str, port: int) -> Process:
    """The market feed of the exchange whose admin API has this address, on the messaging emulator of `port`."""
    where = ("--event-hubs", connection_string(port), "--shards", str(shards(folder)))
    arguments = ("live", "--exchange", exchange, *where)
    return Process(folder / "feed.log", "simulators.market_feed", *arguments)
