"""Claims-based security: clients prove a shared access key by a token at `$cbs` before they attach links.

Token: `SharedAccessSignature sr={uri}&sig={base64}&se={expiry}&skn={key name}`, where the signature is HMAC-SHA256 of
"{uri}\\n{expiry}" under the key (https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas).
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_plus, urlsplit

from emulators.messaging.codec import Int
from emulators.messaging.errors import AmqpError, Condition, DecodeError
from emulators.messaging.nodes import Peer, Settle, SinkLink, Source, SourceLink
from emulators.messaging.performatives import ACCEPTED
from emulators.messaging.requests import ReplySource, read_request, write_answer

ADDRESS = "$cbs"
# azure-servicebus for Python announces its shared access signatures as "jwt".
_TOKEN_TYPES = ("servicebus.windows.net:sastoken", "jwt")
_SIGNATURE = "SharedAccessSignature"
_MAX_CLAIMS = 1000


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The one shared access policy of the namespace."""

    name: str
    key: str = field(repr=False)


class TokenError(Exception):
    """A token that proves nothing; the message is what the service answers."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token proves: the entity path it covers (empty for the namespace), until when (seconds since 1970)."""

    path: str
    expires_at: float


def verify_token(token: str, shared_key: SharedKey) -> Claim:
    """The claim of a shared access signature. Raises TokenError."""
    scheme, _, rest = token.partition(" ")
    if scheme != _SIGNATURE:
        raise TokenError("InvalidToken: The token is not a SharedAccessSignature.")
    raw = dict(part.split("=", 1) for part in rest.split("&") if "=" in part)
    fields = {name: values[0] for name, values in parse_qs(rest).items()}
    if not {"sr", "sig", "se"} <= raw.keys() or not fields.get("se", "").isdigit():
        raise TokenError("MalformedToken: The token lacks sr, sig or se.")
    signature = hmac.digest(shared_key.key.encode(), f"{raw['sr']}\n{raw['se']}".encode(), hashlib.sha256)
    expected = base64.b64encode(signature).decode()
    if fields.get("skn") != shared_key.name or not hmac.compare_digest(expected.encode(), fields["sig"].encode()):
        raise TokenError("InvalidSignature: The token has an invalid signature.")
    expires_at = float(fields["se"])
    if expires_at <= time.time():
        raise TokenError("ExpiredToken: The token is expired.")
    return Claim(urlsplit(unquote_plus(raw["sr"])).path.strip("/").lower(), expires_at)


def covers(claimed: str, path: str) -> bool:
    """Whether a claim to one path, the namespace's being empty, is one to another; both in lower case."""
    return claimed in ("", path) or path.startswith(claimed + "/")


def check_claim(peer: Peer, address: str) -> None:
    """Raise AmqpError (unauthorized-access) unless the connection may use `address` now."""
    path, now = address.lower(), time.time()
    for claimed, expires_at in peer.claims.items():
        if expires_at > now and covers(claimed, path):
            return
    raise AmqpError(
        Condition.UNAUTHORIZED,
        f"Unauthorized access. A valid token for 'sb://{address}' is required to perform this operation.",
    )


type Verify = Callable[[str], Claim]
"""What a token proves. Raises TokenError."""


class CbsNode:
    """The node at `$cbs`. `access_token` verifies tokens of Entra ID; None: there are none."""

    def __init__(self, shared_key: SharedKey, access_token: Verify | None = None) -> None:
        self._shared_key = shared_key
        self._access_token = access_token

    async def attach_sink(self, link: SinkLink) -> "CbsSink":
        return CbsSink(link.peer, self._verify)

    async def attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        return ReplySource(link), {}, {}

    def _verify(self, token: str) -> Claim:
        if self._access_token is not None and not token.startswith(_SIGNATURE):
            return self._access_token(token)
        return verify_token(token, self._shared_key)


class CbsSink:
    """Takes put-token requests."""

    def __init__(self, peer: Peer, verify: Verify) -> None:
        self._peer = peer
        self._verify = verify

    def on_message(self, payload: bytes, message_format: int, settle: Settle) -> None:  # noqa: ARG002
        request = read_request(payload)
        status, description = self._put_token(request.text("operation"), request.text("type"), request.body)
        settle(ACCEPTED)
        reply = self._peer.reply_source(ADDRESS)
        if isinstance(reply, ReplySource):
            reply.reply(write_answer(request, {"status-code": Int(status), "status-description": description}, None))

    def _put_token(self, operation: str, kind: str, token: object) -> tuple[int, str]:
        if operation != "put-token" or kind not in _TOKEN_TYPES:
            return 400, f"Only put-token of {' or '.join(_TOKEN_TYPES)} is supported."
        if not isinstance(token, str):
            raise DecodeError("A token is not a string.")
        try:
            claim = self._verify(token)
        except TokenError as error:
            return 401, str(error)
        if len(self._peer.claims) >= _MAX_CLAIMS:
            return 403, "The connection has too many claims."
        self._peer.claims[claim.path] = claim.expires_at
        return 202, "Accepted"

    def on_detach(self) -> None:
        """Claims last as long as the connection."""
