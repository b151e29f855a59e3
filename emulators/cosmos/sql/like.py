"""LIKE patterns: `%` any characters, `_` one, `[a-c]` and `[^a-c]` one of a set, ESCAPE
(https://learn.microsoft.com/azure/cosmos-db/nosql/query/keywords#like).

Matched by hand: a regular expression made of `%a%a%a` could take for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass

from emulators.cosmos.sql.budget import Budget


@dataclass(frozen=True, slots=True)
class One:
    """A place of exactly one character."""

    accepts: Callable[[str], bool]


type Pattern = list[One | None]
"""None stands for `%`."""


def compile_pattern(pattern: str, escape: str | None) -> Pattern:
    """The pattern, read once for all texts."""
    compiled: Pattern = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        end = pattern.find("]", at + 2)
        if character == escape and at + 1 < len(pattern):
            compiled.append(One(pattern[at + 1].__eq__))
            at += 2
        elif character == "[" and end > 0:
            compiled.append(_one_of(pattern[at + 1 : end]))
            at = end + 1
        else:
            compiled.append(_plain(character))
            at += 1
    return compiled


def matches(compiled: Pattern, text: str, budget: Budget) -> bool:
    """Whether the whole text fits. Greedy, with one place to go back to: time grows with text times pattern at most."""
    at = place = 0
    star, resumed = -1, 0
    while at < len(text):
        budget.spend()
        here = compiled[place] if place < len(compiled) else False
        if here is None:
            star, resumed = place, at
            place += 1
        elif isinstance(here, One) and here.accepts(text[at]):
            at += 1
            place += 1
        elif star >= 0:
            resumed += 1
            at, place = resumed, star + 1
        else:
            return False
    return all(one is None for one in compiled[place:])


def _plain(character: str) -> One | None:
    if character == "%":
        return None
    return One(lambda _: True) if character == "_" else One(character.__eq__)


def _one_of(members: str) -> One:
    negated = members.startswith("^")
    ranges, at = [], int(negated)
    while at < len(members):
        spans = members[at + 1 : at + 2] == "-" and at + 2 < len(members)
        ranges.append((members[at], members[at + 2] if spans else members[at]))
        at += 3 if spans else 1
    return One(lambda character: any(low <= character <= high for low, high in ranges) is not negated)
