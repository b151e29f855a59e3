"""A rule: what must hold for every resource that it is about, and why."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.rules.snapshot import Resource, Snapshot

type Check = Callable[[Snapshot], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """`check` gives one sentence a violation."""

    name: str
    reason: str
    check: Check


class Rules:
    """A table of rules, filled by decorated functions."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, reason: str) -> Callable[[Check], Check]:
        """The decorated function is a rule of its name."""

        def register(check: Check) -> Check:
            self.rules.append(Rule(check.__name__, reason, check))
            return check

        return register


@dataclass(frozen=True)
class Match:
    """What a value must be, where one value is not enough."""

    words: str
    holds: Callable[[Any], bool]

    def __repr__(self) -> str:
        return self.words


def at_least(floor: float) -> Match:
    """A number that is not smaller."""
    return Match(f"at least {floor}", lambda value: isinstance(value, int | float) and value >= floor)


def at_least_text(floor: str) -> Match:
    """A text, such as a date, that is not smaller."""
    return Match(f"at least {floor}", lambda value: isinstance(value, str) and value >= floor)


def one_of(*values: object) -> Match:
    """One of these values."""
    return Match(f"one of {values}", lambda value: value in values)


def starts_with(prefix: str) -> Match:
    """A text that starts so."""
    return Match(f"{prefix}...", lambda value: str(value).startswith(prefix))


FILLED: Final = Match("something", bool)


def differs(resources: Iterable[Resource], wanted: Mapping[str, object]) -> Iterator[str]:
    """One sentence for each value of `wanted`, by its path, that a resource does not have."""
    for resource in resources:
        for path, value in wanted.items():
            found = resource.get(path)
            if not (value.holds(found) if isinstance(value, Match) else found == value):
                yield f"{resource}: {path} is {found!r}, not {value!r}"
