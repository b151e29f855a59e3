"""Parses queries into syntax trees.

Keywords may stand where only a name can (`c.order` and `c.value` are refused by the service too; `c["order"]` is not).
A word that is no alias in scope is the container itself where FROM begins, and refused anywhere else.
"""

from emulators.cosmos.limits import MAX_EXPRESSION_DEPTH
from emulators.cosmos.sql.cursor import Cursor
from emulators.cosmos.sql.syntax import (
    Alias,
    ArrayOf,
    Between,
    Binary,
    Call,
    Conditional,
    Constant,
    Expression,
    In,
    Like,
    Logical,
    Member,
    ObjectOf,
    Order,
    Parameter,
    Projected,
    QuerySyntaxError,
    Select,
    Source,
    Subquery,
    SubqueryKind,
    Unary,
    check_height,
)
from emulators.cosmos.sql.tokens import Kind, Token, tokenize
from emulators.cosmos.values import UNDEFINED, number

# From the loosest to the tightest; BETWEEN, IN and LIKE stand with the comparisons.
_LEVELS = ("??", "OR", "AND", "|", "^", "&", "= != <> < > <= >=", "<< >> >>>", "+ - ||", "* / %")
_LEVEL_OF = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators.split()}
_COMPARISONS = _LEVEL_OF["="]
_TIGHTER = _COMPARISONS + 1
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None, "UNDEFINED": UNDEFINED}
ROOT = "$root"
"""The alias by which the first input set of FROM reaches the container's documents."""


def parse(text: str) -> Select:
    """The query of `text`. Raises QuerySyntaxError."""
    parser = _Parser(tokenize(text))
    select = parser.select()
    parser.expect_end()
    check_height(select)
    return select


def parse_condition(text: str) -> Select:
    """A patch's condition, `FROM c WHERE ...`, as a query. Raises QuerySyntaxError."""
    parser = _Parser(tokenize(text))
    select = parser.condition()
    parser.expect_end()
    check_height(select)
    return select


class _Parser(Cursor):
    """Recursive descent."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._scopes: list[set[str]] = []

    # --- queries ----------------------------------------------------------------------------------------------------

    def condition(self) -> Select:
        self._scopes.append(set())
        self._expect("FROM")
        sources = self._sources()
        self._expect("WHERE")
        where = self._expression()
        self._scopes.pop()
        return Select(value=Constant(1), sources=sources, where=where)

    def select(self) -> Select:
        """SELECT's list is parsed after FROM, which names the aliases it uses."""
        self._deeper()
        self._expect("SELECT")
        distinct = self._take("DISTINCT") is not None
        top = self._primary() if self._take("TOP") else None
        distinct = distinct or self._take("DISTINCT") is not None
        listed = self._at
        self._skip_list()
        end_of_list = self._at
        self._scopes.append(set())
        sources = self._sources() if self._take("FROM") else ()
        behind, self._at = self._at, listed
        star, value, members = self._projection()
        if self._at != end_of_list:
            self._fail()
        self._at = behind
        where = self._expression() if self._take("WHERE") else None
        group_by = self._group_by()
        order_by = self._order_by()
        offset, limit = self._offset_limit()
        self._scopes.pop()
        self._depth -= 1
        return Select(star, value, members, distinct, top, sources, where, group_by, order_by, offset, limit)

    def _skip_list(self) -> None:
        """To the FROM or the end that closes the list, over everything in brackets."""
        depth = 0
        while self._token.kind is not Kind.END:
            if depth == 0 and self._is_after_list():
                return
            if self._is("(", "[", "{"):
                depth += 1
            elif self._is(")", "]", "}"):
                depth -= 1
            self._at += 1

    def _is_after_list(self) -> bool:
        return self._token.kind is Kind.END or self._is("FROM", "WHERE", "GROUP", "ORDER", "OFFSET", ")")

    def _projection(self) -> tuple[bool, Expression | None, tuple[Projected, ...]]:
        if self._take("*"):
            return True, None, ()
        if self._take("VALUE"):
            return False, self._expression(), ()
        return False, None, tuple(self._list_of(self._projected))

    def _projected(self) -> Projected:
        expression = self._expression()
        if self._take("AS"):
            return Projected(expression, self._alias_name())
        if self._token.kind is Kind.NAME:
            return Projected(expression, self._name())
        return Projected(expression, path_name(expression))

    def _alias_name(self) -> str:
        """A name, or a string, which newer versions of the language take too."""
        if self._token.kind is Kind.STRING:
            self._at += 1
            return self._tokens[self._at - 1].text
        return self._name()

    def _sources(self) -> tuple[Source, ...]:
        sources = [self._source(first=True)]
        while self._take("JOIN"):
            sources.append(self._source(first=False))
        return tuple(sources)

    def _source(self, *, first: bool) -> Source:
        following = self._tokens[self._at + 1] if self._token.kind is not Kind.END else self._token
        if self._token.kind is Kind.NAME and following.kind is Kind.KEYWORD and following.text == "IN":
            alias = self._name()
            self._expect("IN")
            return self._in_scope(Source(alias, self._origin(first=first), iterates=True))
        origin = self._origin(first=first)
        self._take("AS")
        alias = self._name() if self._token.kind is Kind.NAME else self._default_alias(origin)
        return self._in_scope(Source(alias, origin, iterates=False))

    def _default_alias(self, origin: Expression) -> str:
        if isinstance(origin, Alias) and origin.name == ROOT:
            return self._tokens[self._at - 1].text
        name = path_name(origin)
        if name is None:
            self._fail()
        return name

    def _in_scope(self, source: Source) -> Source:
        if source.alias in self._scopes[-1]:
            raise QuerySyntaxError(f"The input alias '{source.alias}' is specified more than once.")
        self._scopes[-1].add(source.alias)
        return source

    def _origin(self, *, first: bool) -> Expression:
        """What an input set ranges over: a path, a subquery, or an array."""
        outermost = first and len(self._scopes) == 1
        if not (outermost and self._token.kind is Kind.NAME and not self._known(self._token.text)):
            return self._postfix()
        self._at += 1
        return self._members(Alias(ROOT))

    def _known(self, alias: str) -> bool:
        return any(alias in scope for scope in self._scopes)

    def _group_by(self) -> tuple[Expression, ...]:
        if not self._take("GROUP"):
            return ()
        self._expect("BY")
        return tuple(self._list_of(self._expression))

    def _order_by(self) -> tuple[Order, ...]:
        if not self._take("ORDER"):
            return ()
        self._expect("BY")
        return tuple(self._list_of(self._order))

    def _order(self) -> Order:
        expression = self._expression()
        return Order(expression, self._take("ASC", "DESC") == "DESC")

    def _offset_limit(self) -> tuple[Expression | None, Expression | None]:
        if not self._take("OFFSET"):
            return None, None
        offset = self._primary()
        self._expect("LIMIT")
        return offset, self._primary()

    # --- expressions ------------------------------------------------------------------------------------------------

    def _expression(self) -> Expression:
        self._deeper()
        found = self._binary(0)
        if self._take("?"):
            chosen = self._expression()
            self._expect(":")
            found = Conditional(found, chosen, self._expression())
        self._depth -= 1
        return found

    def _binary(self, loosest: int) -> Expression:
        """Operators of this level and tighter ones, by precedence climbing; all of them associate to the left."""
        self._deeper()
        left = self._unary()
        while True:
            level = _LEVEL_OF.get(self._token.text, -1) if self._is(*_LEVEL_OF) else -1
            if level >= loosest:
                left = self._joined(left, level)
            elif loosest <= _COMPARISONS and self._is("BETWEEN", "IN", "LIKE", "NOT"):
                left = self._test(left)
            else:
                self._depth -= 1
                return left

    def _joined(self, left: Expression, level: int) -> Expression:
        operator = self._token.text
        operands = [left]
        while self._take(operator):
            self._count()
            operands.append(self._binary(level + 1))
            if operator not in ("AND", "OR"):
                return Binary("!=" if operator == "<>" else operator, left, operands[1])
        return Logical(operator, tuple(operands))

    def _test(self, operand: Expression) -> Expression:
        self._count()
        negated = self._take("NOT") is not None
        if self._take("BETWEEN"):
            low = self._binary(_TIGHTER)
            self._expect("AND")
            return Between(operand, low, self._binary(_TIGHTER), negated)
        if self._take("IN"):
            self._expect("(")
            choices = self._list_of(self._expression)
            self._expect(")")
            return In(operand, tuple(choices), negated)
        self._expect("LIKE")
        pattern = self._binary(_TIGHTER)
        return Like(operand, pattern, self._escape() if self._take("ESCAPE") else None, negated)

    def _escape(self) -> str:
        token = self._token
        if token.kind is not Kind.STRING or len(token.text) != 1:
            raise QuerySyntaxError("ESCAPE takes a string of one character.")
        self._at += 1
        return token.text

    def _unary(self) -> Expression:
        operator = self._take("-", "+", "~", "NOT")
        if operator is None:
            return self._postfix()
        self._deeper()
        self._count()
        found = Unary(operator, self._unary())
        self._depth -= 1
        return found

    def _postfix(self) -> Expression:
        return self._members(self._primary())

    def _members(self, base: Expression) -> Expression:
        chain = 0
        while True:
            if self._take("."):
                base = Member(base, Constant(self._name()))
            elif self._take("["):
                base = Member(base, self._expression())
                self._expect("]")
            else:
                return base
            self._count()
            chain += 1
            if chain > MAX_EXPRESSION_DEPTH:
                raise QuerySyntaxError(f"The path has more than {MAX_EXPRESSION_DEPTH} members.")

    def _primary(self) -> Expression:
        self._count()
        token = self._token
        if token.kind in (Kind.NUMBER, Kind.STRING, Kind.PARAMETER, Kind.NAME):
            self._at += 1
            return self._atom(token)
        if token.kind is Kind.KEYWORD and token.text in _CONSTANTS:
            self._at += 1
            return Constant(_CONSTANTS[token.text])
        return self._bracketed()

    def _bracketed(self) -> Expression:
        if self._is("EXISTS", "ARRAY"):
            return self._subquery(SubqueryKind(self._take("EXISTS", "ARRAY")))
        if self._is("("):
            return self._parenthesis()
        if self._take("["):
            return ArrayOf(self._elements(self._expression, "]"))
        self._expect("{")
        return ObjectOf(self._elements(self._object_member, "}"))

    def _atom(self, token: Token) -> Expression:
        if token.kind is Kind.NUMBER:
            text = token.text
            return Constant(number(int(text, 16) if text[:2].lower() == "0x" else float(text)))
        if token.kind is Kind.STRING:
            return Constant(token.text)
        if token.kind is Kind.PARAMETER:
            return Parameter(token.text)
        if self._take("("):
            return Call(token.text.upper(), self._elements(self._expression, ")"))
        if not self._known(token.text):
            raise QuerySyntaxError(f"Identifier '{token.text}' could not be resolved.")
        return Alias(token.text)

    def _parenthesis(self) -> Expression:
        following = self._tokens[self._at + 1]
        if following.kind is Kind.KEYWORD and following.text == "SELECT":
            return self._subquery(SubqueryKind.SCALAR)
        self._expect("(")
        found = self._expression()
        self._expect(")")
        return found

    def _subquery(self, kind: SubqueryKind) -> Expression:
        self._expect("(")
        select = self.select()
        self._expect(")")
        return Subquery(kind, select)

    def _object_member(self) -> tuple[str, Expression]:
        token = self._token
        if token.kind not in (Kind.STRING, Kind.NAME, Kind.KEYWORD):
            self._fail()
        self._at += 1
        self._expect(":")
        return (token.text if token.kind is Kind.STRING else token.written), self._expression()


def path_name(expression: Expression) -> str | None:
    """The name that a path gives to what it reaches."""
    if isinstance(expression, Alias) and expression.name != ROOT:
        return expression.name
    if isinstance(expression, Member) and isinstance(expression.index, Constant):
        name = expression.index.value
        return name if isinstance(name, str) else None
    return None
