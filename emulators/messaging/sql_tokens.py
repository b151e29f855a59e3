"""Tokens of the service's SQL dialect for rules.

Grammar: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-filter
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

MAX_LENGTH = 1024
"""Characters of a filter or action; the service's own limit."""

_KEYWORDS = frozenset(
    "AND OR NOT IN LIKE ESCAPE IS NULL EXISTS TRUE FALSE SET REMOVE".split()  # noqa: SIM905 - reads better
)
_PATTERN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    | '(?P<string>(?:[^']|'')*)'
    | \[(?P<bracketed>(?:[^\]]|\]\])+)\]
    | "(?P<quoted>(?:[^"]|"")+)"
    | (?P<word>[^\W\d_]\w*)
    | (?P<parameter>@\w+)
    | (?P<symbol><>|!=|<=|>=|[=<>+\-*/%(),.;])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)


class SqlSyntaxError(Exception):
    """An expression that the service would refuse; the message says where and why."""


class Kind(Enum):
    NUMBER = auto()
    STRING = auto()
    NAME = auto()
    KEYWORD = auto()
    PARAMETER = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text` of a keyword is in capitals, of a name or a string without its delimiters."""

    kind: Kind
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, ending with END. Raises SqlSyntaxError."""
    if len(text) > MAX_LENGTH:
        raise SqlSyntaxError(f"The expression has {len(text)} characters; at most {MAX_LENGTH} are allowed.")
    tokens: list[Token] = []
    position = 0
    while not tokens or tokens[-1].kind is not Kind.END:
        match = _PATTERN.match(text, position)
        if match is None:
            raise SqlSyntaxError(f"The expression is not understood from position {position}: {text[position:][:20]!r}")
        tokens.append(_token(match))
        position = match.end()
    return tokens


_KINDS = {
    "number": (Kind.NUMBER, ""),
    "string": (Kind.STRING, "'"),
    "bracketed": (Kind.NAME, "]"),
    "quoted": (Kind.NAME, '"'),
    "word": (Kind.NAME, ""),
    "parameter": (Kind.PARAMETER, ""),
    "symbol": (Kind.SYMBOL, ""),
    "end": (Kind.END, ""),
}


def _token(match: re.Match[str]) -> Token:
    group = match.lastgroup or "end"
    text, position = match[group], match.start(group)
    if group == "word" and text.upper() in _KEYWORDS:
        return Token(Kind.KEYWORD, text.upper(), position)
    kind, delimiter = _KINDS[group]
    return Token(kind, text.replace(delimiter * 2, delimiter) if delimiter else text, position)
