"""Tokens of the query language.

Lexical rules: https://learn.microsoft.com/azure/cosmos-db/nosql/query/constants and `.../query/keywords`.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

import orjson

from emulators.cosmos.limits import MAX_QUERY_CHARACTERS
from emulators.cosmos.sql.syntax import QuerySyntaxError

KEYWORDS = frozenset(
    "AND ARRAY AS ASC BETWEEN BY DESC DISTINCT ESCAPE EXISTS FALSE FROM GROUP IN JOIN LIKE LIMIT NOT NULL OFFSET OR "  # noqa: SIM905 - reads better
    "ORDER SELECT TOP TRUE UNDEFINED VALUE WHERE".split()
)
_PATTERN = re.compile(
    r"""(?:\s|--[^\n]*(?:\n|$))*+(?:
      (?P<number>(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w]))
    | (?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')
    | (?P<parameter>@\w+)
    | (?P<word>[^\W\d]\w*)
    | (?P<symbol>>>>|<<|>>|<>|!=|<=|>=|\|\||\?\?|[=<>+\-*/%~&|^?:(),.\[\]{}])
    | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


class Kind(Enum):
    NUMBER = auto()
    STRING = auto()
    PARAMETER = auto()
    NAME = auto()
    KEYWORD = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text` of a keyword is in capitals, of a string what it stands for; `written` is the word as it was typed."""

    kind: Kind
    text: str
    position: int
    written: str = ""


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, ending with END. Raises QuerySyntaxError."""
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QuerySyntaxError(f"The query has more than {MAX_QUERY_CHARACTERS} characters.")
    tokens: list[Token] = []
    position = 0
    while not tokens or tokens[-1].kind is not Kind.END:
        match = _PATTERN.match(text, position)
        if match is None:
            near = text[position:].lstrip()[:20]
            raise QuerySyntaxError(f"Syntax error, incorrect syntax near '{near}' at position {position}.")
        tokens.append(_token(match))
        position = match.end()
    return tokens


def quoted(text: str) -> str:
    """A string as a query writes it."""
    return orjson.dumps(text).decode()


def _token(match: re.Match[str]) -> Token:
    group = match.lastgroup or "end"
    text, position = match[group], match.start(group)
    if group == "word":
        keyword = text.upper()
        if keyword in KEYWORDS:
            return Token(Kind.KEYWORD, keyword, position, text)
        return Token(Kind.NAME, text, position, text)
    if group == "string":
        return Token(Kind.STRING, _unescaped(text[1:-1]), position)
    return Token(Kind[group.upper()], text, position)


def _unescaped(body: str) -> str:
    """Raises QuerySyntaxError for half of a surrogate pair, which no document can hold."""
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2]), body)
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise QuerySyntaxError("Syntax error, invalid string literal: half of a surrogate pair.") from error
