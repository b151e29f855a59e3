"""What the Durable Task Scheduler refuses, refused here with the same effect.

Purpose: a function app that works on this machine must not meet its first limit in Azure.
Rules: payloads (input, output, event, activity) at most 1 MB; custom status at most 16 KB of UTF-16
JSON text; instance ids at most 100 printable ASCII characters, without a leading `@`, without
`/ \\ # ?`; hub names 3 to 45 letters and digits.
Sources: Durable Task Scheduler limits and the extension's `OrchestrationInstance` checks.
"""

import re

MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_CUSTOM_STATUS_BYTES = 16 * 1024
MAX_INSTANCE_ID_LENGTH = 100

_INSTANCE_ID = re.compile(r"[\x20-\x7e]+")
_FORBIDDEN_IN_ID = frozenset("/\\#?")
_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,44}")


class LimitExceededError(ValueError):
    """The scheduler would refuse this value; the message says which rule it breaks."""


def check_instance_id(instance_id: str) -> None:
    """Raise LimitExceededError unless `instance_id` is one that Azure accepts."""
    if len(instance_id) > MAX_INSTANCE_ID_LENGTH:
        raise LimitExceededError(f"Instance IDs must not exceed {MAX_INSTANCE_ID_LENGTH} characters.")
    if _INSTANCE_ID.fullmatch(instance_id) is None:
        raise LimitExceededError("Instance IDs must be one or more printable ASCII characters.")
    if instance_id.startswith("@"):
        raise LimitExceededError("Orchestration instance IDs must not start with '@'.")
    if _FORBIDDEN_IN_ID.intersection(instance_id):
        raise LimitExceededError("Instance IDs must not contain '/', '\\', '#' or '?'.")


def check_payload(what: str, payload: str | None) -> None:
    """Raise LimitExceededError if the JSON text is larger than the scheduler stores; `what` opens the sentence."""
    if payload is None or len(payload) * 4 <= MAX_PAYLOAD_BYTES:
        return
    size = len(payload.encode("utf-8", "surrogatepass"))
    if size > MAX_PAYLOAD_BYTES:
        raise LimitExceededError(f"{what} is {size} bytes; the limit is {MAX_PAYLOAD_BYTES} bytes (1 MB).")


def check_custom_status(payload: str | None) -> None:
    """Raise LimitExceededError if the custom status is over 16 KB of UTF-16, as the extension counts it."""
    if payload is not None and len(payload.encode("utf-16-le", "surrogatepass")) > MAX_CUSTOM_STATUS_BYTES:
        raise LimitExceededError("The size of the JSON-serialized payload must not exceed 16 KB of UTF-16 text.")


def check_hub_name(hub: str) -> None:
    """Raise LimitExceededError unless `hub` is a task hub name that Azure accepts."""
    if _HUB_NAME.fullmatch(hub) is None:
        raise LimitExceededError(f"Task hub name '{hub}' must be 3 to 45 letters and digits and start with a letter.")
