"""The query language without a server: what is written is read again, and nothing breaks the parser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.cosmos.sql.parser import parse
from emulators.cosmos.sql.program import Collector, compile_query
from emulators.cosmos.sql.syntax import QuerySyntaxError
from emulators.cosmos.sql.tokens import KEYWORDS
from emulators.cosmos.sql.writer import write
from emulators.cosmos.values import equal, identity, order_key
from emulators.tests.cosmos.test_conformance_queries import FILTERS, VALUES

WORDS = [
    *sorted(KEYWORDS),
    *("c", "t", "root", "COUNT", "ABS", "@p", "'a'", '"b"', "1", "0.5", "*", "(", ")", "[", "]", "{", "}", ",", "."),
    *("=", "!=", "<", ">=", "+", "-", "||", "??", "?", ":", "%", "|", "&", "~", "--\n", "\\", "#", "'", "\u0000", "é"),
]
DOCUMENT = {"id": "1", "a": [1, "x", None, {"b": True}], "n": 2.5, "o": {"x": {"y": "z"}}}

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "query",
    [
        *(query for query, _ in FILTERS),
        *(f"SELECT VALUE {expression} FROM c" for expression, _ in VALUES),
        "SELECT DISTINCT TOP 5 c.a AS x, {'k': [c.b, @p], 'value': 1e300} FROM c JOIN t IN c.tags WHERE t LIKE 'a%'",
        "SELECT c.g, COUNT(1) AS n FROM root AS c GROUP BY c.g",
        "SELECT * FROM c ORDER BY c.a DESC, c['b c'] OFFSET @o LIMIT 10",
        "SELECT VALUE s FROM c JOIN (SELECT VALUE t FROM t IN c.tags WHERE t > 1) AS s",
    ],
)
def test_written_query_is_the_query_that_was_read(query: str) -> None:
    once = parse(query)
    assert parse(write(once)) == once


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_words_are_parsed_or_refused(words: list[str]) -> None:
    try:
        program = compile_query(parse("SELECT " + " ".join(words)), {"@p": 1})
    except QuerySyntaxError:
        return
    collector = Collector(program)
    collector.add(program.row(DOCUMENT))
    collector.results()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for query in (text, f"SELECT {text}", f"SELECT * FROM c WHERE c.x = '{text}'", f"SELECT * FROM c WHERE {text}"):
        try:
            parse(query)
        except QuerySyntaxError:
            continue


@settings(max_examples=200, deadline=None)
@given(json_values, json_values)
def test_equality_order_and_identity_agree(left: object, right: object) -> None:
    same = equal(left, right)
    assert same == (identity(left) == identity(right))
    assert same == (order_key(left) == order_key(right))
    assert same or order_key(left) < order_key(right) or order_key(right) < order_key(left)
