"""A place among tokens, and what a parser does with it."""

from collections.abc import Callable
from typing import NoReturn

from emulators.cosmos.limits import MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_NODES
from emulators.cosmos.sql.syntax import QuerySyntaxError
from emulators.cosmos.sql.tokens import Kind, Token


class Cursor:
    """Looks at tokens and takes them; counts what is made of them, so that depth and size stay bounded."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._nodes = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self._token.kind in (Kind.KEYWORD, Kind.SYMBOL) and self._token.text in texts

    def _take(self, *texts: str) -> str | None:
        """The word or symbol that was taken, if it is one of these."""
        if not self._is(*texts):
            return None
        self._at += 1
        return self._tokens[self._at - 1].text

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            self._fail()

    def expect_end(self) -> None:
        """Raises QuerySyntaxError if anything is left."""
        if self._token.kind is not Kind.END:
            self._fail()

    def _fail(self) -> NoReturn:
        token = self._token
        near = "the end" if token.kind is Kind.END else f"'{token.written or token.text}'"[:40]
        raise QuerySyntaxError(f"Syntax error, incorrect syntax near {near} at position {token.position}.")

    def _name(self) -> str:
        if self._token.kind is not Kind.NAME:
            self._fail()
        self._at += 1
        return self._tokens[self._at - 1].text

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_EXPRESSION_NODES:
            raise QuerySyntaxError(f"The query has more than {MAX_EXPRESSION_NODES} expressions.")

    def _list_of[T](self, one: Callable[[], T]) -> list[T]:
        found = [one()]
        while self._take(","):
            found.append(one())
        return found

    def _elements[T](self, one: Callable[[], T], end: str) -> tuple[T, ...]:
        if self._take(end):
            return ()
        found = self._list_of(one)
        self._expect(end)
        return tuple(found)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_EXPRESSION_DEPTH:
            raise QuerySyntaxError(f"The query is nested more than {MAX_EXPRESSION_DEPTH} levels deep.")
