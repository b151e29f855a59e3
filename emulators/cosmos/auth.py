"""Requests signed with the account's key
(https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources).
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, unquote

from emulators.cosmos.errors import CosmosError

_MAX_CHARACTERS = 1024


class AccountKeys:
    """The keys of the account, of which any may sign."""

    def __init__(self, keys: Sequence[str], clock_skew_s: float) -> None:
        """Raises ValueError for what is no base64."""
        try:
            self._keys = [base64.b64decode(key, validate=True) for key in keys]
        except binascii.Error as error:
            raise ValueError("an account key must be base64") from error
        if not self._keys or not all(self._keys):
            raise ValueError("an account key must not be empty")
        self._clock_skew_s = clock_skew_s

    @property
    def secret(self) -> bytes:
        """For signatures of the emulator's own."""
        return self._keys[0]

    def check(self, authorization: str, method: str, kind: str, link: str, date: str) -> None:
        """Raises CosmosError: 401 for a wrong signature, 403 for one that is out of date."""
        given = self._signature(authorization)
        text = f"{method.lower()}\n{kind.lower()}\n{link}\n{date.lower()}\n\n".encode()
        # Every key is tried, so that the time says nothing about which one came close.
        matching = [hmac.compare_digest(given, hmac.new(key, text, hashlib.sha256).digest()) for key in self._keys]
        if not any(matching):
            raise _unauthorized(
                "The input authorization token can't serve the request. Please check that the expected payload is "
                "built as per the protocol, and check the key being used. Server used the following payload to sign: "
                + repr(text.decode())
            )
        self._check_date(date)

    def check_key(self, authorization: str) -> None:
        """For the emulator's own interface: `Bearer KEY`. Raises CosmosError."""
        given = authorization.removeprefix("Bearer ").encode()
        matching = [hmac.compare_digest(given, base64.b64encode(key)) for key in self._keys]
        if not any(matching):
            raise _unauthorized("Send 'Authorization: Bearer KEY' with a key of the account.")

    def _signature(self, authorization: str) -> bytes:
        if not authorization:
            raise _unauthorized(
                "Required Header authorization is missing. Ensure a valid Authorization token is passed."
            )
        fields = dict(parse_qsl(unquote(authorization[:_MAX_CHARACTERS]).replace("+", "%2B"), max_num_fields=10))
        if fields.get("type") != "master" or fields.get("ver") != "1.0":
            raise _unauthorized("The emulator takes tokens of the type 'master', version 1.0, only.")
        try:
            return base64.b64decode(fields.get("sig", ""), validate=True)
        except binascii.Error as error:
            raise _unauthorized("The signature of the authorization token is not base64.") from error

    def _check_date(self, date: str) -> None:
        try:
            given = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError) as error:
            raise _unauthorized("The header x-ms-date must be a date of RFC 1123.") from error
        if abs(time.time() - given) > self._clock_skew_s:
            raise CosmosError(
                403, "The authorization token is not valid at the current time. Please create another token and retry."
            )


def _unauthorized(message: str) -> CosmosError:
    return CosmosError(401, message)
