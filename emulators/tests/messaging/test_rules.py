"""The rule language: expressions, three-valued logic, errors and actions."""

from typing import Any

import pytest

from emulators.messaging.codec import Array, Long, Symbol, Timestamp, UInt, decode, encode, encode_described
from emulators.messaging.message import Incoming, read_message
from emulators.messaging.properties import MessageProperties
from emulators.messaging.rules import (
    CorrelationFilter,
    FilterError,
    Rule,
    SqlAction,
    SqlFilter,
    TrueFilter,
    copies,
)
from emulators.messaging.sql_parser import parse_filter
from emulators.messaging.sql_tokens import SqlSyntaxError


def message(user: dict[object, object] | None = None, **system: object) -> Incoming:
    """A message with these properties; system names as in AMQP."""
    names = ("message_id", "user_id", "to", "subject", "reply_to", "correlation_id", "content_type")
    properties = [system.get(name) for name in names]
    parts = [encode_described(0x73, encode(properties))]
    if user is not None:
        parts.append(encode_described(0x74, encode(user)))
    return read_message(b"".join([*parts, encode_described(0x75, encode(b"body"))]))


SAMPLE = message(
    {"Color": "blue", "quantity": Long(10), "price": 2.5, "rush": True, "nothing": None, "odd name]": "x"},
    subject="bus-stop",
    to="Store1",
    content_type=Symbol("application/json"),
)


def evaluate(text: str) -> object:
    return parse_filter(text)(MessageProperties(SAMPLE))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("color = 'blue'", True),
        ("COLOR = 'Blue'", False),
        ("user.color <> 'red' AND quantity != 9", True),
        ("quantity >= 10 and price < 2.6", True),
        ("quantity > price", True),
        ("sys.Label LIKE '%bus%'", True),
        ("sys.label LIKE 'bus_stop'", True),
        ("sys.label LIKE 'bus'", False),
        ("sys.label NOT LIKE 'b%p'", False),
        ("'50%' LIKE '50!%' ESCAPE '!'", True),
        ("'50x' LIKE '50!%' ESCAPE '!'", False),
        ("'a.b' LIKE 'a.b' AND 'axb' NOT LIKE 'a.b'", True),
        ("'abcabd' LIKE '%ab_'", True),
        ("sys.To IN ('Store5', 'Store1')", True),
        ("sys.To NOT IN ('Store5', 'Store6')", True),
        ("color IN (absent, 'blue')", True),
        ("EXISTS(nothing) AND NOT EXISTS(absent)", True),
        ("nothing IS NULL AND absent IS NULL AND color IS NOT NULL", True),
        ("quantity + 2 * 3 = 16 AND (quantity + 2) * 3 = 36", True),
        ("quantity / 3 = 3 AND -quantity / 3 = -3 AND -quantity % 3 = -1", True),
        ("price * 2 = 5 AND price % 2 = 0.5", True),
        ("color + '!' = 'blue!'", True),
        ("rush = TRUE AND rush <> FALSE", True),
        ("[odd name]]] = 'x' AND \"odd name]\" = 'x'", True),
        ("property('color') = 'blue' AND p('absent') IS NULL", True),
        ("newid() <> newid()", True),
        ("'it''s' = 'it''s'", True),
        ("1.5E1 = 15 AND 101.5E5 > 2.0", True),
        ("NOT NOT rush", True),
        # AND binds before OR.
        ("rush OR color = 'red' AND color = 'green'", True),
    ],
)
def test_expression_is_evaluated_as_documented(text: str, result: object) -> None:
    assert evaluate(text) is result


@pytest.mark.parametrize("operand", ["TRUE", "FALSE", "absent"])
@pytest.mark.parametrize("other", ["TRUE", "FALSE", "absent"])
def test_logic_has_three_values(operand: str, other: str) -> None:
    values: dict[str, bool | None] = {"TRUE": True, "FALSE": False, "absent": None}
    both = [values[operand], values[other]]
    expected_and = False if False in both else None if None in both else True
    expected_or = True if True in both else None if None in both else False
    assert evaluate(f"{operand} AND {other}") is expected_and
    assert evaluate(f"{operand} OR {other}") is expected_or


@pytest.mark.parametrize(
    "text", ["absent = 1", "absent > 1", "absent + 1 = 2", "-absent = 1", "absent LIKE 'x'", "absent NOT IN (1)",
             "NOT absent = 1", "'x' LIKE absent", "p(absent) = 1"],
)  # fmt: skip
def test_unknown_operand_makes_the_result_unknown(text: str) -> None:
    assert evaluate(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "quantity = 'ten'",
        "rush > FALSE",
        "rush + 1 = 2",
        "quantity AND rush",
        "NOT color",
        "color LIKE 5",
        "color LIKE 'x' ESCAPE 'xy'",
        "quantity / 0 = 1",
        "9223372036854775807 + quantity > 0",
        "sys.Color = 'blue'",
        "p(quantity) = 1",
        "'x' LIKE 'x!' ESCAPE '!'",
    ],
)
def test_types_that_do_not_fit_are_errors(text: str) -> None:
    with pytest.raises(FilterError):
        evaluate(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "color =",
        "color == 'x'",
        "color 'x'",
        "(color = 'x'",
        "color = 'x",
        "color NOT = 'x'",
        "other.color = 'x'",
        "color IN ()",
        "IS NULL",
        "max(color) = 1",
        "color = 99999999999999999999",
        "@parameter = 1",
        "color = 1 color = 2",
        "(" * 40 + "rush" + ")" * 40,
        "color = '" + "x" * 1024 + "'",
    ],
)
def test_what_the_grammar_excludes_is_refused(text: str) -> None:
    with pytest.raises(SqlSyntaxError):
        parse_filter(text)


def test_patterns_that_would_backtrack_end_soon() -> None:
    long = message({"text": "a" * 50_000})
    pattern = "%a" * 400 + "b"
    assert parse_filter(f"text LIKE '{pattern}'")(MessageProperties(long)) is False


@pytest.mark.parametrize(
    ("system", "user", "matches"),
    [
        ({"label": "bus-stop"}, {"Color": "blue"}, True),
        ({"label": "BUS-STOP"}, {}, False),
        ({"contenttype": "application/json", "to": "Store1"}, {"quantity": 10, "rush": True}, True),
        ({}, {"rush": 1}, False),
        ({"correlationid": "c"}, {}, False),
        ({}, {"absent": "x"}, False),
    ],
)
def test_correlation_needs_every_property_to_equal(system: dict[str, str], user: dict[str, Any], matches: bool) -> None:
    assert CorrelationFilter(system, user).matches(MessageProperties(SAMPLE)) is matches


def applied(action: str) -> MessageProperties:
    return MessageProperties(SqlAction.parse(action).apply(SAMPLE))


def test_action_sets_and_removes_properties_in_order() -> None:
    changed = applied("SET color = color + '!'; SET total = quantity * price; REMOVE rush, SET sys.Label = 'new'")
    assert (changed.user("Color"), changed.user("total"), changed.exists("rush")) == ("blue!", 25.0, False)
    assert (changed.system("Subject"), changed.system("To")) == ("new", "Store1")


def test_action_keeps_body_and_untouched_properties() -> None:
    original = message({"when": Timestamp(5), "list": Symbol("s")}, subject="x")
    changed = SqlAction.parse("SET sys.CorrelationId = 'c'; SET count = 1").apply(original)
    assert changed.content.bare.endswith(encode_described(0x75, encode(b"body")))
    assert encode("when") + encode(Timestamp(5)) in changed.content.bare
    assert MessageProperties(changed).user("count") == 1
    start = changed.content.bare.index(b"\x00\x53\x74") + 3
    assert decode(changed.content.bare, start)[0] == {"when": 5, "list": "s", "count": 1}


@pytest.mark.parametrize(
    "action", ["SET sys.Color = 'x'", "SET sys.SequenceNumber = 1", "SET sys.MessageId = 5", "REMOVE sys.Nothing"]
)
def test_action_on_other_system_properties_fails(action: str) -> None:
    with pytest.raises(FilterError):
        applied(action)


@pytest.mark.parametrize("text", ["", "SET", "SET color", "color = 1", "REMOVE", "SET a = 1 = 2", "SET a = 1;" * 33])
def test_action_that_the_grammar_excludes_is_refused(text: str) -> None:
    with pytest.raises(SqlSyntaxError):
        SqlAction.parse(text)


def test_copies_follow_rules_with_and_without_actions() -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/topic-filters#actions"""
    plain = [Rule("a", TrueFilter()), Rule("b", SqlFilter.parse("color = 'blue'"))]
    acting = [
        Rule("c", SqlFilter.parse("rush = TRUE"), SqlAction.parse("SET lane = 'fast'")),
        Rule("d", SqlFilter.parse("quantity = 10"), SqlAction.parse("SET lane = 'big'")),
        Rule("e", SqlFilter.parse("quantity = 11"), SqlAction.parse("SET lane = 'never'")),
    ]
    lanes = [MessageProperties(copy).user("lane") for copy in copies(plain + acting, SAMPLE)]
    assert lanes == [None, "fast", "big"]
    assert copies([], SAMPLE) == []


def test_properties_without_comparison_fail_the_filter() -> None:
    odd = message({"list": Array([Long(1)]), "number": UInt(7)})
    assert SqlFilter.parse("number = 7").matches(MessageProperties(odd))
    with pytest.raises(FilterError):
        SqlFilter.parse("list = 7").matches(MessageProperties(odd))
