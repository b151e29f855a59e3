"""Market data over HTTP: what is asked, how it is answered, and what is refused."""

import time
from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from functions.candles import get_candles
from functions.quotes import (
    get_depth,
    get_market_status,
    get_market_stream,
    get_movers,
    get_quotes,
    get_snapshot,
    list_snapshots,
    post_quotes,
)
from shared.adapters.reference import load_reference_data
from shared.composition.market_reading import MarketReadingPorts, wire_market_reading
from shared.contracts.candles import CandlesView
from shared.contracts.quote_packing import FIELDS, PACKED_QUOTES
from shared.contracts.quotes import (
    DepthView,
    MarketStatusView,
    MoversView,
    QuotesView,
    SnapshotsView,
    SnapshotView,
    StreamView,
)
from shared.contracts.stream_cursors import read_cursor
from shared.domain.times import microseconds
from tests.edge.support import App, call
from tests.edge.test_edge import assert_problem
from tests.fakes.candles import Live
from tests.fakes.market import FixedMarket
from tests.fakes.quotes import SHARDS, MemoryQuotes, a_quote


@pytest.fixture
def store(app: App) -> MemoryQuotes:
    made, market = MemoryQuotes(), FixedMarket()
    reading = wire_market_reading(
        MarketReadingPorts(made, made, Live(), None, market),
        SHARDS,
        load_reference_data().instruments,
        {},
        waiting_polls=1,
    )
    app.quotes, app.market_ticker, app.market_status = reading.quotes, reading.ticker, reading.status
    app.movers, app.candles = reading.movers, reading.candles
    made.write(*map(a_quote, ("NSE:INFY", "NSE:TCS", "NSE:M&M")))
    return made


async def test_quotes_by_address_and_by_body_are_the_same(store: MemoryQuotes) -> None:
    asked = await call(get_quotes, query={"instruments": "NSE:M&M,NSE:INFY,NSE:M&M", "mode": "full"})
    sent = await call(post_quotes, body={"instruments": ["NSE:M&M", "NSE:INFY", "NSE:M&M"], "mode": "full"})
    assert asked.body == sent.body
    assert [each.instrument_id for each in QuotesView.model_validate_json(asked.body).items] == ["NSE:M&M", "NSE:INFY"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "instruments"),
        ({"instruments": ""}, "instruments"),
        ({"instruments": "NSE:INFY,"}, "instruments"),
        ({"instruments": "infy"}, "instruments"),
        ({"instruments": ",".join(f"NSE:A{number}" for number in range(101))}, "instruments"),
        ({"instruments": "NSE:INFY", "mode": "LTP"}, "mode"),
        ({"instruments": "NSE:INFY", "wait_s": "1"}, "wait_s"),
    ],
)
async def test_malformed_question_names_its_field(store: MemoryQuotes, query: dict[str, str], field: str) -> None:
    problem = assert_problem(await call(get_quotes, query=query), 400, "VALIDATION_FAILED")
    assert problem.details["field"] == field


async def test_malformed_addresses_are_explained_in_words(store: MemoryQuotes) -> None:
    for instruments in ("infy", ",".join(f"NSE:A{number}" for number in range(101))):
        problem = assert_problem(await call(get_quotes, query={"instruments": instruments}), 400, "VALIDATION_FAILED")
        assert problem.message.startswith("instruments: write 1 to 100 instrument ids")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"wait_s": "21"}, "wait_s"),
        ({"wait_s": "-1"}, "wait_s"),
        ({"wait_s": "0.5"}, "wait_s"),
        ({"cursor": "next"}, "cursor"),
        ({"cursor": "NSE~INFY~01~2"}, "cursor"),
    ],
)
async def test_malformed_poll_names_its_field(store: MemoryQuotes, changes: dict[str, str], field: str) -> None:
    refused = await call(get_market_stream, query={"instruments": "NSE:INFY"} | changes)
    assert assert_problem(refused, 400, "VALIDATION_FAILED").details["field"] == field


@pytest.mark.parametrize("instruments", [[], ["NSE:INFY"] * 501, ["NSE"], "NSE:INFY"])
async def test_malformed_list_is_refused(store: MemoryQuotes, instruments: Any) -> None:
    assert_problem(await call(post_quotes, body={"instruments": instruments}), 400, "VALIDATION_FAILED")


async def test_five_hundred_instruments_fit_into_one_body(store: MemoryQuotes) -> None:
    names = [f"NSE:{'A' * 30}{number:010d}" for number in range(499)]
    refused = await call(post_quotes, body={"instruments": ["NSE:INFY", *names]})
    assert len(assert_problem(refused, 404, "NOT_FOUND").details["instruments"]) == 499


async def test_poll_answers_ticks_and_a_cursor(store: MemoryQuotes) -> None:
    first = await call(get_market_stream, query={"instruments": "NSE:INFY,NSE:M&M", "wait_s": "0"})
    view = StreamView.model_validate_json(first.body)
    assert [each.instrument_id for each in view.ticks] == ["NSE:INFY", "NSE:M&M"]
    asked = {"instruments": "NSE:INFY,NSE:M&M", "cursor": view.cursor, "wait_s": "0"}
    assert StreamView.model_validate_json((await call(get_market_stream, query=asked)).body).ticks == []


async def test_book_and_status_are_answered(store: MemoryQuotes) -> None:
    depth = await call(get_depth, path={"instrument_id": "NSE:M&M"})
    assert DepthView.model_validate_json(depth.body).bids[0].price == "1500.00"
    status = await call(get_market_status)
    assert [each.market for each in MarketStatusView.model_validate_json(status.body).segments] == ["OPEN"]
    assert_problem(await call(get_depth, path={"instrument_id": "NSE:NOTHING"}), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"interval": "2m"}, "interval"),
        ({"from": ""}, "from"),
        ({"from": "2026-11-23"}, "from"),
        ({"from": "2026-11-23T09:15:00 05:30"}, "from"),
        ({"to": "1795408200"}, "to"),
        ({"to": "2026-02-30T00:00:00Z"}, "to"),
        ({"adjusted": "1"}, "adjusted"),
        ({"fill": "zero"}, "fill"),
        ({"from_": "2026-11-23T09:15:00Z"}, "from_"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
    ],
)
async def test_malformed_question_for_candles_names_its_field(
    store: MemoryQuotes, query: dict[str, str], field: str
) -> None:
    refused = await call(get_candles, path={"instrument_id": "NSE:INFY"}, query=query)
    assert assert_problem(refused, 400, "VALIDATION_FAILED").details["field"] == field


async def test_candles_without_history_are_those_of_ingest(store: MemoryQuotes) -> None:
    asked = {"from": "2026-11-23T03:45:00Z", "to": "2026-11-23T10:00:00.000001Z", "interval": "1d", "adjusted": "false"}
    answer = CandlesView.model_validate_json(
        (await call(get_candles, path={"instrument_id": "NSE:INFY"}, query=asked)).body
    )
    assert (answer.items, answer.adjusted, answer.stale) == ([], False, False)


async def test_movers_are_ranked_by_change_and_turnover(store: MemoryQuotes) -> None:
    store.write(
        a_quote("NSE:INFY", sequence=2, last_price=110, previous_close=100, turnover=5),
        a_quote("NSE:TCS", sequence=2, last_price=1_101, previous_close=1_000, turnover=7),
        a_quote("NSE:M&M", sequence=2, last_price=99, previous_close=100, turnover=6),
        a_quote("NSE:ITC", last_price=500, previous_close=100, turnover=9, trade_date=date(2026, 11, 20)),
    )
    view = MoversView.model_validate_json((await call(get_movers, query={"limit": "2"})).body)
    assert [each.instrument_id for each in view.gainers] == ["NSE:TCS", "NSE:INFY"]
    assert [each.instrument_id for each in view.losers] == ["NSE:M&M"]
    assert [each.instrument_id for each in view.most_active] == ["NSE:TCS", "NSE:M&M"]
    assert view.trade_date == "2026-11-23"


PACKED = {"accept": "application/json;q=0.5, application/vnd.broker.quotes+msgpack"}


async def test_snapshot_may_be_kept_and_is_not_sent_twice(store: MemoryQuotes) -> None:
    first = await call(get_snapshot, user=None, path={"shard": "s000"})
    view = SnapshotView.model_validate_json(first.body)
    assert [each.instrument_id for each in view.items] == ["NSE:INFY", "NSE:TCS"]
    assert first.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"
    for tags in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        same = await call(get_snapshot, user=None, path={"shard": "s000"}, headers={"if-none-match": tags})
        assert (same.status, same.body, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    packed = await call(get_snapshot, user=None, path={"shard": "s000"}, headers=PACKED)
    assert packed.headers["ETag"] != first.headers["ETag"]


async def test_changed_snapshot_has_another_tag(store: MemoryQuotes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.application.quotes.board.KEEP_S", 0)
    tags = {(await call(get_snapshot, user=None, path={"shard": "s001"})).headers["ETag"]}
    late = time.time() + 4
    with monkeypatch.context() as stale:
        stale.setattr("shared.application.quotes.board.time.time", lambda: late)
        tags.add((await call(get_snapshot, user=None, path={"shard": "s001"})).headers["ETag"])
    assert len(tags) == 2
    assert_problem(await call(get_snapshot, user=None, path={"shard": "s999"}), 404, "NOT_FOUND")


async def test_shards_list_their_instruments(store: MemoryQuotes) -> None:
    listed = SnapshotsView.model_validate_json((await call(list_snapshots, user=None)).body)
    assert {each.shard: each.instruments for each in listed.items} == {
        "s000": ["NSE:INFY", "NSE:TCS"],
        "s001": ["NSE:M&M", "NSE:ITC"],
    }


@pytest.mark.parametrize("mode", ["ltp", "ohlc", "full"])
async def test_packed_quotes_say_the_same_as_json(store: MemoryQuotes, mode: str) -> None:
    query = {"instruments": "NSE:INFY,NSE:ITC", "mode": mode}
    answer = await call(get_quotes, query=query, headers=PACKED)
    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == (PACKED_QUOTES, "Accept")
    packed = msgspec.msgpack.decode(answer.body)
    (fields,) = packed["items"]
    named = dict(zip(FIELDS, fields, strict=False))
    (shown,) = (await call(get_quotes, query=query)).json["items"]
    assert (packed["version"], packed["mode"], packed["missing"]) == (1, mode, ["NSE:ITC"])
    assert named.keys() == shown.keys() - {"change", "change_percent", "average_price"}
    for name, value in named.items():
        assert value == _as_packed(name, shown[name]), name


def _as_packed(name: str, shown: Any) -> Any:
    if name in {"bids", "asks"}:
        return [[_as_packed("price", each["price"]), each["quantity"], each["orders"]] for each in shown]
    if name in {"as_of", "last_trade_at"}:
        return microseconds(datetime.fromisoformat(shown))
    return int(shown.replace(".", "")) if isinstance(shown, str) and "." in shown else shown


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/vnd.broker.quotes+msgpack; q=0"])
async def test_json_is_for_everybody_else(store: MemoryQuotes, accept: str) -> None:
    answer = await call(get_quotes, query={"instruments": "NSE:INFY"}, headers={"accept": accept})
    assert answer.headers["Content-Type"] == "application/json"


async def test_poll_may_be_packed_too(store: MemoryQuotes) -> None:
    answer = await call(get_market_stream, query={"instruments": "NSE:INFY", "wait_s": "0"}, headers=PACKED)
    packed = msgspec.msgpack.decode(answer.body)
    assert packed["ticks"][0][1] == "NSE:INFY"
    assert read_cursor(packed["cursor"]) == {"NSE:INFY": (1, 1)}
