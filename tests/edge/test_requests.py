"""Hostile and broken requests: each is refused precisely, with the field named, and reaches no use case."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from functions.edge.requests import read_idempotency_key, read_prefer_wait, read_query
from functions.orders import list_orders, place_order
from shared.contracts.doubts import DoubtsQuery
from shared.contracts.funds import StatementQuery
from shared.contracts.instruments import InstrumentsQuery
from shared.contracts.orders import OrdersQuery
from shared.contracts.reconciliation import ReconciliationQuery
from shared.contracts.sagas import SagasQuery
from shared.contracts.trades import TradesQuery
from shared.domain.errors import InvalidRequestError
from tests.edge.support import PLACE, Answer, App, call

RAW = orjson.dumps(PLACE)


def with_field(name: str, value: Any) -> dict[str, Any]:
    return {**PLACE, name: value}


def assert_invalid(answer: Answer, field: str | None, words: str) -> None:
    assert answer.status == 400, answer.body
    assert answer.json["error_code"] == "VALIDATION_FAILED"
    assert answer.json["details"].get("field") == field
    assert words in answer.json["message"]


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        (b"", None, "not JSON"),
        (b"{", None, "not JSON"),
        (RAW + b"x", None, "not JSON"),
        (b"[]", None, "must be a JSON object"),
        (b'"text"', None, "must be a JSON object"),
        (b"null", None, "must be a JSON object"),
        (b"\xff\xfe{}", None, "not UTF-8"),
        (b"\xef\xbb\xbf" + RAW, None, "not JSON"),
        (RAW.decode().encode("utf-16"), None, "not UTF-8"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, None, ""),
        (b"[" * 16_000, None, ""),
        (b'{"side":"BUY","side":"SELL"}', "side", "appears twice"),
        (b'{"side":{"a":1,"\\u0061":2}}', "a", "appears twice"),
        (b'{"price":NaN}', None, "NaN is not a JSON value"),
        (b'{"price":-Infinity}', None, "-Infinity is not a JSON value"),
        (b'{"quantity":' + b"9" * 5000 + b"}", None, "an integer of more than 18 digits"),
        (b'{"tag":"a\\u0000b"}', "tag", "NUL characters"),
        (b'{"t\\u0000":1}', "t\\x00", "NUL characters"),
        (b'{"tag":"a\x00b"}', None, "not JSON"),
        (b'{"tag":"\\ud800"}', None, ""),
    ],
)
async def test_bytes_that_are_no_clean_object_are_refused(app: App, raw: bytes, field: str | None, words: str) -> None:
    assert_invalid(await call(place_order, body=raw), field, words)
    assert not app.orders.calls


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({name: value for name, value in PLACE.items() if name != "instrument_id"}, "instrument_id"),
        (with_field("unknown", 1), "unknown"),
        (with_field("instrument_id", "INFY"), "instrument_id"),
        (with_field("instrument_id", "NSE:INFY\n"), "instrument_id"),
        (with_field("instrument_id", "NSE:" + "A" * 5000), "instrument_id"),
        (with_field("instrument_id", ["NSE:INFY"]), "instrument_id"),
        (with_field("side", "buy"), "side"),
        (with_field("side", None), "side"),
        (with_field("order_type", "ICEBERG"), "order_type"),
        (with_field("product", "FREE"), "product"),
        (with_field("time_in_force", "FOREVER"), "time_in_force"),
        (with_field("quantity", 0), "quantity"),
        (with_field("quantity", -1), "quantity"),
        (with_field("quantity", 10_000_001), "quantity"),
        (with_field("quantity", 10.5), "quantity"),
        (with_field("quantity", 1e300), "quantity"),
        (with_field("quantity", "10"), "quantity"),
        (with_field("quantity", True), "quantity"),
        (with_field("price", 1500.05), "price"),
        (with_field("price", 1500), "price"),
        (with_field("price", "1e3"), "price"),
        (with_field("price", "-1"), "price"),
        (with_field("price", "0"), "price"),
        (with_field("price", "0.00"), "price"),
        (with_field("price", "1.005"), "price"),
        (with_field("price", "\u0661\u0660"), "price"),
        (with_field("price", " 1"), "price"),
        (with_field("price", "1" * 30), "price"),
        (with_field("price", None), "price"),
        (with_field("order_type", "MARKET"), "price"),
        (with_field("client_order_id", ""), "client_order_id"),
        (with_field("client_order_id", "a" * 65), "client_order_id"),
        (with_field("client_order_id", "a b"), "client_order_id"),
        (with_field("client_order_id", "a\n"), "client_order_id"),
        (with_field("tag", "a" * 21), "tag"),
        (with_field("tag", "<script>"), "tag"),
        (with_field("trigger_price", "1490.00"), "trigger_price"),
        (with_field("disclosed_quantity", 5), "disclosed_quantity"),
    ],
)
async def test_field_that_breaks_the_contract_is_named(app: App, body: dict[str, Any], field: str) -> None:
    answer = await call(place_order, body=body)
    assert_invalid(answer, field, "")
    assert answer.json["message"].startswith(f"{field}: ")
    assert not app.orders.calls


async def test_all_wrong_fields_are_listed_together(app: App) -> None:
    answer = await call(place_order, body={**PLACE, "side": "x", "quantity": 0, "tag": "?"})
    assert [error["field"] for error in answer.json["details"]["errors"]] == ["side", "quantity", "tag"]


async def test_refusal_never_repeats_what_was_sent(app: App) -> None:
    answer = await call(place_order, body=with_field("side", "SECRET-CARD-4111"))
    assert b"4111" not in answer.body


@pytest.mark.parametrize("name", ["MIS", "NRML", "MTF"])
async def test_words_not_on_offer_reach_the_rules(app: App, name: str) -> None:
    assert (await call(place_order, body=with_field("product", name))).status == 202


async def test_null_stands_for_an_absent_optional_field(app: App) -> None:
    optional = {"client_order_id": None, "tag": None, "trigger_price": None, "disclosed_quantity": None}
    assert (await call(place_order, body={**PLACE, **optional})).status == 202


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "application/json; charset=latin-1",
        "application/jsonx",
        "multipart/form-data",
        "application/json;charset=utf-16",
        "text/plain;application/json",
        ";",
    ],
)
async def test_other_media_types_are_refused(app: App, content_type: str) -> None:
    answer = await call(place_order, body=RAW, headers={"content-type": content_type})
    assert (answer.status, answer.json["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; odata=verbose",
        "application/json;",
        "application/json ; a=b; charset=utf8;",
    ],
)
async def test_json_in_utf8_is_taken_however_written(app: App, content_type: str) -> None:
    assert (await call(place_order, body=RAW, headers={"content-type": content_type})).status == 202


@pytest.mark.parametrize(("coding", "status"), [("identity", 202), ("Identity", 202), ("gzip", 415), ("br", 415)])
async def test_only_an_uncompressed_body_is_taken(app: App, coding: str, status: int) -> None:
    assert (await call(place_order, body=RAW, headers={"content-encoding": coding})).status == status


async def test_an_integer_is_one_however_written(app: App) -> None:
    for written in (b"10", b"10.0", b"1e1"):
        answer = await call(place_order, body=RAW.replace(b'"quantity":10', b'"quantity":' + written))
        assert answer.status == 202
    assert {command.quantity for _, _, command, *_ in app.orders.calls} == {10}


async def test_body_over_the_limit_is_refused_unread(app: App) -> None:
    answer = await call(place_order, body=b"[" * 16_385)
    assert (answer.status, answer.json["details"]) == (413, {"limit_bytes": 16_384})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1,2"}, "limit"),
        ({"limit": "1_0"}, "limit"),
        ({"limit": "+1"}, "limit"),
        ({"limit": "1.0"}, "limit"),
        ({"limit": " 1"}, "limit"),
        ({"status": "OPEN"}, "status"),
        ({"instrument_id": "NSE:\0"}, "instrument_id"),
        ({"colour": "red"}, "colour"),
        ({"user_id": "alice"}, "user_id"),
        ({"cursor": "ä"}, "cursor"),
        ({"cursor": "a" * 600}, "cursor"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"cursor": "01a2049b98747461"}, "cursor"),
        ({"cursor": "NSE:INFY"}, "cursor"),
        ({"cursor": "00064a5b3c2d1e0f.01935d3a000070008000000000000001\n"}, "cursor"),
    ],
)
async def test_query_that_breaks_the_contract_is_named(app: App, query: dict[str, str], field: str) -> None:
    assert_invalid(await call(list_orders, query=query), field, field)
    assert not app.orders.calls


_LISTS = (OrdersQuery, TradesQuery, StatementQuery, InstrumentsQuery, SagasQuery, DoubtsQuery, ReconciliationQuery)


@pytest.mark.parametrize(("model", "name"), [(model, name) for model in _LISTS for name in model.model_fields], ids=str)
def test_an_empty_parameter_is_refused_everywhere(model: type[BaseModel], name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: give a value, or leave it out$"):
        read_query(model, {name: ""})


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (ReconciliationQuery, "trade_date", "1795305600"),
        (ReconciliationQuery, "trade_date", "2026-11-23T00:00:00"),
        (TradesQuery, "from_date", "20261123"),
        (SagasQuery, "order_id", "urn:uuid:01a20529-90b3-7fe4-98e2-9b4feab7e61d"),
        (SagasQuery, "order_id", "{01a20529-90b3-7fe4-98e2-9b4feab7e61d}"),
        (SagasQuery, "order_id", "01a2052990b37fe498e29b4feab7e61d"),
    ],
)
def test_dates_and_ids_have_one_spelling(model: type[BaseModel], name: str, value: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: write "):
        read_query(model, {name: value})


@pytest.mark.parametrize("key", ["a", "!~", "x" * 255, "with space inside", "01935d3a-0000-7000-8000-000000000001"])
def test_printable_idempotency_keys_are_taken(key: str) -> None:
    assert read_idempotency_key({"idempotency-key": key}, required=False) == key


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"k-1"', "k-1"),
        ('"a,b"', "a,b"),
        ('" a "', " a "),
        (r'"say \"so\" \\ here"', r'say "so" \ here'),
        ('"' + r"\"" * 255 + '"', '"' * 255),
        ('a"b', 'a"b'),
    ],
)
def test_quoted_idempotency_key_is_what_its_string_says(header: str, key: str) -> None:
    assert read_idempotency_key({"idempotency-key": header}, required=False) == key


@pytest.mark.parametrize(
    "key",
    [
        *("", " ", "x" * 256, "ä", "a\tb", "a\x7f", " a", "a ", "a\n", "a,b", "a,a", ",", "a,"),
        *('""', '"', '"a', '"a"b', '"a","b"', '"a";p=1', r'"a\b"', '"a\n"', '"ä"', '"' + "x" * 256 + '"'),
    ],
)
def test_other_idempotency_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_idempotency_key({"idempotency-key": key}, required=False)
    assert caught.value.details == {"field": "Idempotency-Key"}


def test_idempotency_key_may_be_required() -> None:
    assert read_idempotency_key({}, required=False) is None
    with pytest.raises(InvalidRequestError):
        read_idempotency_key({}, required=True)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=3", 3),
        ("Wait = 7; foo=bar", 7),
        ('wait="4"', 4),
        ("wait=0", 0),
        ("wait=11", 10),
        ("wait=9999", 10),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=99999999999", 0),
        ("nowait=5", 0),
        ("wait", 0),
        ("", 0),
    ],
)
def test_prefer_wait_is_bounded_and_never_fatal(prefer: str, seconds: float) -> None:
    assert read_prefer_wait({"prefer": prefer}) == seconds


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
async def test_random_bytes_never_cause_an_accident(app: App, raw: bytes) -> None:
    assert (await call(place_order, body=raw)).status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from([*PLACE, "tag", "client_order_id", "trigger_price", "x"]), json_values))
async def test_random_fields_are_taken_or_refused(app: App, changes: dict[str, Any]) -> None:
    answer = await call(place_order, body=json.dumps({**PLACE, **changes}).encode())
    assert answer.status in {202, 400}
    assert answer.json is not None
