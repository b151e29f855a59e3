"""A mute shard is pushed once, by whoever sees it first."""

import pytest

from shared.application.quotes.board import QuoteBoard
from shared.application.quotes.silence import Silence
from tests.fakes.market import FixedMarket
from tests.fakes.market_data import ListedPush
from tests.fakes.quotes import SHARDS, MemoryQuotes, a_state
from tests.support.waiting import eventually


def a_board(store: MemoryQuotes, push: ListedPush | None) -> QuoteBoard:
    """That of one process."""
    return QuoteBoard(store, SHARDS, FixedMarket(), keep_s=0, notice=Silence(store, push).notice)


@pytest.mark.parametrize(("age_s", "pushed"), [(1, 0), (4, 1)])
async def test_silence_is_pushed_once_by_whoever_sees_it_first(age_s: int, pushed: int) -> None:
    store, push = MemoryQuotes(), ListedPush()
    store.states["s000"] = a_state(age_s=age_s)
    for board in [a_board(store, push) for _ in range(3)] * 2:
        await board.look(["s000", "s001"])
        await board.read(["NSE:INFY"])
    await eventually(lambda: len(push.mute) == pushed)


async def test_nobody_notices_where_nothing_is_pushed() -> None:
    store = MemoryQuotes()
    store.states["s000"] = a_state(age_s=4)
    await a_board(store, None).look(["s000"])
    assert store.noticed == {}
