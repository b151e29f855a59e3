"""Where a receiver begins: the selector filter of its link.

The SDKs write `amqp.annotation.x-opt-offset > '-1'` and the like (azure-eventhub: `event_position_selector`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from emulators.messaging.codec import Described, Symbol
from emulators.messaging.errors import AmqpError, Condition

SELECTOR = Symbol("apache.org:selector-filter:string")
_PATTERN = re.compile(r"amqp\.annotation\.(x-opt-[a-z-]+) *(>=|>) *'?(-?\d{1,18}|@latest)'?")


class Unit(StrEnum):
    """What a position counts in; the values are the annotations' names."""

    OFFSET = "x-opt-offset"
    SEQUENCE = "x-opt-sequence-number"
    TIME_MS = "x-opt-enqueued-time"


@dataclass(frozen=True, slots=True)
class Position:
    """`value` None is the end of the stream; negative values are its beginning."""

    unit: Unit
    value: int | None
    inclusive: bool


EARLIEST = Position(Unit.OFFSET, -1, inclusive=False)


def read_position(filters: dict[object, object]) -> Position:
    """The position that a link asks for; the beginning without a filter. Raises AmqpError (argument-error)."""
    value = filters.get(SELECTOR)
    if isinstance(value, Described):
        value = value.value
    if value is None:
        return EARLIEST
    match = _PATTERN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[1] not in set(Unit):
        raise AmqpError(Condition.ARGUMENT_ERROR, f"The selector {str(value)[:100]!r} is not supported.")
    return Position(Unit(match[1]), None if match[3] == "@latest" else int(match[3]), match[2] == ">=")


def written(position_filter: object) -> dict[object, object]:
    """The filter as the attach answer echoes it."""
    value = position_filter.value if isinstance(position_filter, Described) else position_filter
    return {SELECTOR: Described(SELECTOR, value)} if isinstance(value, str) else {}
