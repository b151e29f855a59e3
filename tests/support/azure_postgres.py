"""A PostgreSQL as Azure's flexible server shows it: TLS only, and an access token as the password of each connection.

It stands in front of a real server. Messages: postgresql.org/docs/current/protocol-message-formats.html.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from emulators.messaging.certificate import server_context
from tests.support.managed_identity import Authority

AUDIENCE = "https://ossrdbms-aad.database.windows.net"
_SSL_REQUEST, _PROTOCOL = 80877103, 196608
_ASK_FOR_PASSWORD = b"R" + struct.pack("!ii", 8, 3)


@dataclass(frozen=True)
class Front:
    """Where it listens, and the authority that its certificate is signed by."""

    port: int
    certificate: Path

    def url(self, database: str) -> str:
        """A URI without a password, as `POSTGRES_URL` is in Azure."""
        return (
            f"postgresql://broker-identity@127.0.0.1:{self.port}/{database}"
            f"?sslmode=verify-full&sslrootcert={self.certificate}"
        )


@asynccontextmanager
async def azure_postgres(behind: tuple[str, int, str], authority: Authority, folder: Path) -> AsyncIterator[Front]:
    """Forward to (host, port, user) what the authority lets in."""
    certificate = folder / "postgres.pem"
    context = server_context(certificate, "127.0.0.1")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await _untagged(reader)
        if struct.unpack("!i", first[:4])[0] != _SSL_REQUEST:
            writer.write(_error("28000", "SSL connection is required"))
            return
        writer.write(b"S")
        await writer.start_tls(context)
        start = await _untagged(reader)
        writer.write(_ASK_FOR_PASSWORD)
        token = (await _tagged(reader)).rstrip(b"\0").decode()
        if not authority.accepts(token, AUDIENCE):
            writer.write(_error("28P01", "the access token is not valid"))
            return
        host, port, user = behind
        there, back = await asyncio.open_connection(host, port)
        back.write(_as_user(start, user))
        await asyncio.wait(
            [asyncio.create_task(_carry(reader, back)), asyncio.create_task(_carry(there, writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        back.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Front(server.sockets[0].getsockname()[1], certificate)
        server.close()


async def _untagged(reader: asyncio.StreamReader) -> bytes:
    length = struct.unpack("!i", await reader.readexactly(4))[0]
    return await reader.readexactly(length - 4)


async def _tagged(reader: asyncio.StreamReader) -> bytes:
    await reader.readexactly(1)
    return await _untagged(reader)


def _as_user(start: bytes, user: str) -> bytes:
    """The start-up message with another user; the real server trusts this machine."""
    words = start[4:].split(b"\0")
    words[words.index(b"user") + 1] = user.encode()
    body = struct.pack("!i", _PROTOCOL) + b"\0".join(words)
    return struct.pack("!i", len(body) + 4) + body


def _error(code: str, message: str) -> bytes:
    fields = b"SFATAL\0VFATAL\0C" + code.encode() + b"\0M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
