"""Continuation tokens: where a feed goes on. Opaque to clients, bound to what was asked, signed against changes."""

import base64
import binascii
import hashlib
import hmac
from typing import Any

import orjson

from emulators.cosmos.errors import bad_request

_MAX_CHARACTERS = 1024
_TAG_BYTES = 12


class Continuations:
    """Writes and reads tokens; `asked` identifies the query and its scope, and a token fits no other."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"continuation" + secret).digest()

    def write(self, asked: bytes, position: list[Any]) -> str:
        """A token for this position of integers and short strings."""
        body = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._tag(asked, body) + body).decode()

    def read(self, asked: bytes, token: str) -> list[Any]:
        """The position that was written. Raises CosmosError."""
        invalid = bad_request("Invalid Continuation Token")
        if len(token) > _MAX_CHARACTERS:
            raise invalid
        try:
            content = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid from error
        tag, body = content[:_TAG_BYTES], content[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(asked, body)):
            raise invalid
        position: list[Any] = orjson.loads(body)
        return position

    def _tag(self, asked: bytes, body: bytes) -> bytes:
        return hmac.new(self._secret, asked + b"\n" + body, hashlib.sha256).digest()[:_TAG_BYTES]
