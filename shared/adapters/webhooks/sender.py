"""`WebhookSender` on aiohttp. The address that is checked is the one that is connected to: the check is made where the
socket is, after names are resolved, so a name that resolves differently a moment later gains nothing.
"""

import socket
from asyncio import timeout
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import aiohttp

from shared.ports.webhooks import Answered

_LONGEST_S: Final = 10.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=_LONGEST_S, connect=5)
_MOST_AT_ONCE: Final = 50
_MOST_HEADER_BYTES: Final = 8_190
_AZURE_HOST: Final = IPv4Address("168.63.129.16")
"""Global by its number, and the virtual machine's own host in Azure."""
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """The receiver's name leads to an address that is not of the internet."""


class AiohttpWebhookSender:
    """One process's connections to receivers; none is kept open between deliveries."""

    def __init__(self, *, private_allowed: bool = False) -> None:
        self._socket: Callable[[Any], socket.socket] = _open if private_allowed else _checked
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answered:
        """See `WebhookSender.post`."""
        try:
            async with (
                timeout(_LONGEST_S),
                self._connected().post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                # Nothing of the body is read.
                return Answered(answer.status)
        except PrivateAddressError as error:
            return Answered(None, str(error))
        except TimeoutError:
            return Answered(None, f"no answer within {_LONGEST_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            private = _cause(error, PrivateAddressError)
            return Answered(None, str(private) if private else f"no connection: {type(error).__name__}")

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=_MOST_AT_ONCE, force_close=True, use_dns_cache=False, socket_factory=self._socket
            )
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT,
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_MOST_HEADER_BYTES,
                max_field_size=_MOST_HEADER_BYTES,
            )
        return self._session


def is_public(text: str) -> bool:
    """Whether the address is one of the internet. An address within an IPv6 address counts as itself."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and address != _AZURE_HOST


def _checked(address: Any) -> socket.socket:
    host = address[4][0]
    if not is_public(host):
        raise PrivateAddressError(f"the address {host} is not public")
    return _open(address)


def _open(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _cause[Wanted: BaseException](error: BaseException | None, wanted: type[Wanted]) -> Wanted | None:
    """The first of that type among what led to the error."""
    while error is not None:
        if isinstance(error, wanted):
            return error
        error = error.__cause__ or error.__context__
    return None
