"""Versions of orchestrations: which of them this worker may run.

Rules: an instance keeps the version it was started with; the worker's version is `defaultVersion`. The
comparison is DurableTask's: empty before everything, then numbers part by part if both look like
`1`, `1.2` … with up to four parts, otherwise the texts without regard to case.
Source: VersioningSettings.cs in Azure/durabletask;
https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-orchestration-versioning
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_NUMBERS = re.compile(r"\d+(?:\.\d+){1,3}")


class MatchStrategy(StrEnum):
    """Which versions a worker runs."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class FailureStrategy(StrEnum):
    """What happens to an instance of another version: it waits for another worker, or it fails."""

    REJECT = "Reject"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Versioning:
    """The versioning part of host.json."""

    default: str | None = None
    match: MatchStrategy = MatchStrategy.CURRENT_OR_OLDER
    failure: FailureStrategy = FailureStrategy.REJECT

    def admits(self, version: str | None) -> bool:
        """True if this worker may run instances of the version."""
        match self.match:
            case MatchStrategy.NONE:
                return True
            case MatchStrategy.STRICT:
                return (version or "") == (self.default or "")
            case MatchStrategy.CURRENT_OR_OLDER:
                return compare(version, self.default) <= 0


def compare(one: str | None, other: str | None) -> int:
    """Below, at or above zero as `one` is older than, equal to or newer than `other`."""
    first, second = (one or "").strip(), (other or "").strip()
    if not first or not second:
        return bool(first) - bool(second)
    if _NUMBERS.fullmatch(first) and _NUMBERS.fullmatch(second):
        return _order([int(part) for part in first.split(".")], [int(part) for part in second.split(".")])
    return _order(first.casefold(), second.casefold())


def _order[T: (str, list[int])](one: T, other: T) -> int:
    return (one > other) - (one < other)
