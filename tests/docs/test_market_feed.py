"""The broker's side of docs/reference/market-feed.md; tests/exchange has the exchange's."""

import msgspec
import pytest

from shared.contracts import market_feed
from shared.domain.market_data import candles, tape
from simulators.market_feed import frames
from tests.exchange.test_feed_messages import SECTIONS, documented

STATE = frames.State(
    frames.SessionPhase.CONTINUOUS,
    *(150_000, 4, 1_795_492_800_000_001, 14, 2_100_000, 149_000, 151_000, 148_000, 150_500, 135_000, 165_000),
    bids=(frames.Level(149_900, 17, 2),),
    asks=(frames.Level(150_000, 16, 1), frames.Level(150_100, 10, 1)),
    total_bid_quantity=27,
    total_ask_quantity=26,
)
TRADED = frames.Traded(1_795_492_800_000_000, 2, 149_000, 151_000, 148_000, 150_000, 14, 2_100_000)
WINDOW = frames.Window("NSE:INFY", 7, 9, 1_795_492_800_000_001, STATE, TRADED)
HEAD = ("s000", 3, "2026-11-23", 1_795_492_800_000_002)


@pytest.mark.parametrize("section", SECTIONS)
def test_broker_reads_the_documented_fields_in_order(section: str) -> None:
    name = SECTIONS[section].__name__
    struct = next(vars(module)[name] for module in (market_feed, tape, candles) if name in vars(module))
    assert list(struct.__struct_fields__) == documented(section)


@pytest.mark.parametrize(
    "frame",
    [
        frames.Windows(*HEAD, windows=(WINDOW,)),
        frames.Keyframe(*HEAD, windows=(frames.keyframe_window("NSE:INFY", 9, 1, STATE),)),
        frames.Heartbeat(*HEAD, phase=frames.SessionPhase.CLOSED, sequences={"NSE:INFY": 9}),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_broker_reads_what_the_feed_writes(frame: frames.Frame) -> None:
    read = market_feed.decode(frames.encode(frame))
    assert type(read).__name__ == type(frame).__name__
    assert msgspec.to_builtins(read) == msgspec.to_builtins(frame)
