"""What each outcome does to a locked message, from a link's disposition or from `update-disposition`."""

from emulators.messaging.codec import Described, ULong
from emulators.messaging.performatives import ACCEPTED, RELEASED, Outcome, modified
from emulators.messaging.records import Message, Status
from emulators.messaging.subqueue import SubQueue

COMPLETED = Outcome("accepted", [])
ABANDONED = Outcome("modified", [True, False])
DEFERRED = Outcome("modified", [True, True])


def dead_lettered(reason: str | None, description: str | None) -> Outcome:
    """The outcome that dead-letters, as the SDKs' receiver links send it."""
    info = {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
    return Outcome("rejected", [Described(ULong(0x1D), ["com.microsoft:dead-letter", description, info])])


def apply(part: SubQueue, message: Message, outcome: Outcome) -> None:
    """Carry out `outcome` on a message that is locked in `part`."""
    match outcome.name:
        case "accepted":
            part.remove(message)
        case "rejected":
            part.reject(message, *_reason(outcome.field(0)))
        case "modified" if outcome.field(1) is True:
            part.unlock(message, status=Status.DEFERRED)
        case "modified" if outcome.field(0) is True:
            part.fail(message)
        case _:
            part.unlock(message)
    part.pump()


def echo(outcome: Outcome) -> Described:
    """What the sender of a disposition expects back: the outcome that was applied."""
    match outcome.name:
        case "accepted":
            return ACCEPTED
        case "rejected":
            return Described(ULong(0x25), [None])
        case "modified":
            return modified(outcome.field(0) is True, outcome.field(1) is True)
        case _:
            return RELEASED


def _reason(error: object) -> tuple[str | None, str | None]:
    """Reason and description in a rejected outcome's error: its info map, else its description."""
    if not isinstance(error, Described) or not isinstance(error.value, list):
        return None, None
    items = [*error.value, None, None, None]
    info = items[2] if isinstance(items[2], dict) else {}
    description = info.get("DeadLetterErrorDescription", items[1])
    return _optional_text(info.get("DeadLetterReason")), _optional_text(description)


def _optional_text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else None
