"""Webhooks: signatures, secrets, how long a delivery is tried (Standard Webhooks, standardwebhooks.com).

A secret is derived from a key of the broker, so the database holds none: `whsec_` and base64 of
HMAC-SHA256(key, "webhook:<id>:<number>"). A new number is a new secret.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

MOST_WEBHOOKS: Final = 5
"""Of one user."""
ROTATION: Final = timedelta(hours=24)
"""How long the secret before the present one signs too."""
DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 4 * 3600, 10 * 3600, 24 * 3600))
"""From a failed attempt to the next; after the last the delivery is a dead letter."""
_JITTER: Final = 0.2
_KEY_BYTES: Final = 32


class DisabledBy(StrEnum):
    """Why nothing is delivered to a webhook."""

    OWNER = "OWNER"
    GONE = "GONE"
    """Its server answered 410."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The broker's keys by their ids, the newest first; webhooks keep the key that they began with."""

    keys: Sequence[tuple[str, bytes]]

    @classmethod
    def parsed(cls, text: str) -> "SigningKeys":
        """From base64 of at least 32 bytes each, separated by commas. Raises ValueError."""
        keys = []
        for each in text.split(","):
            key = base64.b64decode(each.strip(), validate=True)
            if len(key) < _KEY_BYTES:
                raise ValueError(f"each of WEBHOOK_KEYS must be base64 of at least {_KEY_BYTES} bytes")
            keys.append((hashlib.sha256(key).hexdigest()[:8], key))
        return cls(keys)

    @property
    def newest(self) -> str:
        """The id of the key for new webhooks."""
        return self.keys[0][0]

    def secret(self, key_id: str, webhook_id: UUID, number: int) -> bytes:
        """The webhook's secret of that number. Raises KeyError when its key is not among these."""
        key = dict(self.keys)[key_id]
        return hmac.digest(key, f"webhook:{webhook_id}:{number}".encode(), "sha256")


def shown(secret: bytes) -> str:
    """A secret as receivers take it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def signature(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature a secret, over `id.timestamp.body`."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return " ".join(f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}" for secret in secrets)


def delay_after(attempts: int, chance: float) -> timedelta | None:
    """How long to wait after that many failed attempts; None: no more. `chance` is from 0 to 1, so that receivers that
    come back are not met by everything at once."""
    if attempts > len(DELAYS):
        return None
    return DELAYS[attempts - 1] * (1 + _JITTER * (2 * chance - 1))
