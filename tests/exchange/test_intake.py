"""Intake judges whatever JSON can say, and never fails."""

from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.exchange.commands import Request, decode, encode
from simulators.exchange.instruments import read_instruments
from simulators.exchange.intake import BadMessageError, Conditions, Unanswerable, entries_of, judge
from tests.exchange.support import INSTRUMENTS, MONDAY, about, new

CONDITIONS = Conditions(MONDAY, date(2026, 11, 23), True, read_instruments(INSTRUMENTS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
VALID = [new(), about(new(), "REPLACE"), about(new(), "CANCEL"), about(new(), "STATUS")]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(VALID), st.dictionaries(st.sampled_from([*VALID[0], "from_sequence"]), JSON, max_size=4))
def test_any_field_values_give_a_verdict(entry: dict[str, Any], changes: dict[str, Any]) -> None:
    judged = judge(orjson.loads(orjson.dumps(entry | changes)), CONDITIONS)
    if isinstance(judged, Request):
        kind, body = encode(judged)
        assert decode(kind, orjson.loads(orjson.dumps(body))) == judged
        assert "\x00" not in orjson.dumps(body).decode()
    else:
        assert isinstance(judged, Unanswerable)
        assert "\x00" not in judged.entry + judged.error


@given(JSON | st.builds(lambda requests: {"version": 1, "requests": requests}, JSON))
def test_any_json_is_a_list_or_refused(document: Any) -> None:
    body = orjson.dumps(document)
    try:
        entries = entries_of(body)
    except BadMessageError:
        return
    for entry in entries:
        judge(entry, CONDITIONS)


@given(st.binary())
def test_any_bytes_are_a_list_or_refused(body: bytes) -> None:
    with pytest.raises(BadMessageError):
        entries_of(body)


@pytest.mark.parametrize("price", ["1500", "1500.0", "1500.00", "1500.000000"])
def test_equal_prices_are_equal_however_written(price: str) -> None:
    judged = judge(new(price=price), CONDITIONS)
    assert isinstance(judged, Request)
    assert (judged.price, judged.refusal) == (150_000, None)


def test_ids_are_compared_without_case() -> None:
    order = new()
    upper = judge(
        order | {"request_id": order["request_id"].upper(), "order_id": order["order_id"].upper()}, CONDITIONS
    )
    assert upper == judge(order, CONDITIONS)
