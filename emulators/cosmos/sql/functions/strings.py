"""Functions of strings. Positions count from 0."""

from collections.abc import Callable
from typing import Any

import orjson

from emulators.cosmos.documents import normalised
from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.functions.function import MANY, Function, typed
from emulators.cosmos.values import UNDEFINED, Rank, Value, is_number, number, rank

_REPLICATE_CHARACTERS = 10_000


def _concat(budget: Budget, *parts: Value) -> Value:
    if any(rank(part) is not Rank.STRING for part in parts):
        return UNDEFINED
    budget.check_text(sum(map(len, parts)))
    return "".join(parts)


def _matching(test: Callable[[str, str], bool]) -> Function:
    """A test of two strings, with an optional third argument that makes it blind to case."""

    def apply(budget: Budget, text: str, searched: str, ignore_case: bool = False) -> bool:
        budget.check_text(len(text))
        return test(text.lower(), searched.lower()) if ignore_case else test(text, searched)

    return typed(apply, Rank.STRING, Rank.STRING, Rank.BOOLEAN, optional=1)


def _index_of(budget: Budget, text: str, searched: str, start: float = 0) -> int:
    budget.check_text(len(text))
    return text.find(searched, max(int(start), 0))


def _substring(_: Budget, text: str, start: float, length: float) -> str:
    first = max(int(start), 0)
    return text[first : first + max(int(length), 0)]


def _replace(budget: Budget, text: str, searched: str, replacement: str) -> str:
    if not searched:
        return text
    found = text.count(searched)
    budget.check_text(len(text) + found * (len(replacement) - len(searched)))
    return text.replace(searched, replacement)


def _replicate(_: Budget, text: str, times: float) -> Value:
    if times < 0 or len(text) * times > _REPLICATE_CHARACTERS:
        return UNDEFINED
    return text * int(times)


def _to_string(budget: Budget, value: Value) -> Value:
    if value is UNDEFINED or rank(value) is Rank.STRING:
        return value
    text = orjson.dumps(value).decode()
    budget.check_text(len(text))
    return text


def _parsed(*kinds: Rank) -> Function:
    """Reads JSON of these types out of a string."""

    def apply(budget: Budget, text: str) -> Value:
        budget.check_text(len(text))
        try:
            value = normalised(orjson.loads(text))
        except ValueError:
            return UNDEFINED
        return value if rank(value) in kinds else UNDEFINED

    return typed(apply, Rank.STRING)


def _string_join(budget: Budget, parts: list[Any], separator: str) -> Value:
    if any(rank(part) is not Rank.STRING for part in parts):
        return UNDEFINED
    budget.check_text(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _string_split(budget: Budget, text: str, separator: str) -> list[str]:
    budget.check_text(len(text))
    return text.split(separator) if separator else [text]


def _length(_: Budget, text: str) -> int:
    return len(text)


def _left(_: Budget, text: str, count: float) -> str:
    return text[: max(int(count), 0)]


def _right(_: Budget, text: str, count: float) -> str:
    return text[-int(count) :] if count >= 1 else ""


def _trimming(trim: Callable[[str, str | None], str]) -> Function:
    return typed(lambda _, text, characters=None: trim(text, characters), Rank.STRING, Rank.STRING, optional=1)


def _changing(change: Callable[[str], str]) -> Function:
    def apply(budget: Budget, text: str) -> str:
        budget.check_text(len(text))
        return change(text)

    return typed(apply, Rank.STRING)


def _string_equals(_: Budget, left: str, right: str, ignore_case: bool = False) -> bool:
    return left.lower() == right.lower() if ignore_case else left == right


def _to_number(_: Budget, text: str) -> Value:
    try:
        value = orjson.loads(text.strip())
    except ValueError:
        return UNDEFINED
    return number(value) if is_number(value) else UNDEFINED


FUNCTIONS = {
    "CONCAT": Function(_concat, 2, MANY),
    "CONTAINS": _matching(lambda text, searched: searched in text),
    "STARTSWITH": _matching(str.startswith),
    "ENDSWITH": _matching(str.endswith),
    "STRINGEQUALS": typed(_string_equals, Rank.STRING, Rank.STRING, Rank.BOOLEAN, optional=1),
    "INDEX_OF": typed(_index_of, Rank.STRING, Rank.STRING, Rank.NUMBER, optional=1),
    "LENGTH": typed(_length, Rank.STRING),
    "LEFT": typed(_left, Rank.STRING, Rank.NUMBER),
    "RIGHT": typed(_right, Rank.STRING, Rank.NUMBER),
    "SUBSTRING": typed(_substring, Rank.STRING, Rank.NUMBER, Rank.NUMBER),
    "LOWER": _changing(str.lower),
    "UPPER": _changing(str.upper),
    "REVERSE": _changing(lambda text: text[::-1]),
    "LTRIM": _trimming(str.lstrip),
    "RTRIM": _trimming(str.rstrip),
    "TRIM": _trimming(str.strip),
    "REPLACE": typed(_replace, Rank.STRING, Rank.STRING, Rank.STRING),
    "REPLICATE": typed(_replicate, Rank.STRING, Rank.NUMBER),
    "TOSTRING": Function(_to_string, 1, 1),
    "STRINGTONUMBER": typed(_to_number, Rank.STRING),
    "STRINGTOBOOLEAN": _parsed(Rank.BOOLEAN),
    "STRINGTONULL": _parsed(Rank.NULL),
    "STRINGTOARRAY": _parsed(Rank.ARRAY),
    "STRINGTOOBJECT": _parsed(Rank.OBJECT),
    "STRINGJOIN": typed(_string_join, Rank.ARRAY, Rank.STRING),
    "STRINGSPLIT": typed(_string_split, Rank.STRING, Rank.STRING),
}
