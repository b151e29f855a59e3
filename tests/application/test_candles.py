"""Candles: history and the running minutes joined, rolled up from the session's open, filled and adjusted."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.reference import load_reference_data
from shared.application.candles import Candles
from shared.contracts.candles import MINUTES, CandlesQuery, CandlesView, Interval
from shared.domain.errors import InvalidRequestError, NotFoundError, UnavailableError
from shared.domain.instruments.instrument import EQUITY
from shared.domain.market_data.adjustments import AdjustmentFactor
from shared.domain.market_data.candles import HOUR_US, MINUTE_US, Basis, Candle, Session
from shared.domain.sessions import MarketTime
from shared.domain.times import microseconds, wire_microseconds
from tests.fakes.candles import Live, history_of
from tests.fakes.market_data import MemoryHistory

REFERENCE = load_reference_data()
NSE = REFERENCE.calendars["nse"]
MONDAY = date(2026, 11, 23)
OPEN = microseconds(datetime(2026, 11, 23, 3, 45, tzinfo=UTC))
DAY_US = 24 * HOUR_US


class At:
    """A market whose clock shows one instant."""

    def __init__(self, shown: datetime) -> None:
        self.shown = shown

    async def time(self) -> MarketTime:
        return MarketTime({EQUITY: NSE}, self.shown - datetime.now(UTC))


def a_candle(minute: int, price: int = 100_00, volume: int = 10, **changes: Any) -> Candle:
    """A candle of the minute after the open."""
    values: dict[str, Any] = {
        "start": OPEN + minute * MINUTE_US,
        "session": Session.CONTINUOUS,
        "open": price,
        "high": price + 5,
        "low": price - 5,
        "close": price + 1,
        "volume": volume,
        "turnover": volume * price,
        "trades": 2,
        "epoch": 1,
        "sequence": minute + 1,
        "basis": Basis.WINDOWS,
    }
    return Candle(**(values | changes))


def candles(
    history: Any = None, live: Any = None, *, at: str = "12:00", factors: Sequence[AdjustmentFactor] = ()
) -> Candles:
    hour, minute = map(int, at.split(":"))
    shown = datetime(2026, 11, 23, hour, minute, tzinfo=UTC) - timedelta(hours=5, minutes=30, seconds=1)
    return Candles(live or Live(), history or history_of(), REFERENCE.instruments, At(shown), {"NSE:INFY": factors})


async def ask(served: Candles, **query: Any) -> CandlesView:
    asked = CandlesQuery.model_validate(query)
    return CandlesView.model_validate_json(await served.get("NSE:INFY", asked))


def starts(view: CandlesView) -> list[str]:
    """Times in India."""
    found = [datetime.fromisoformat(each.start) + timedelta(hours=5, minutes=30) for each in view.items]
    return [each.strftime("%H:%M") for each in found]


async def test_running_minute_joins_history_by_revision() -> None:
    stored = [a_candle(0, volume=10), a_candle(1, volume=10, sequence=5)]
    recent = [a_candle(0, volume=99, sequence=0), a_candle(1, volume=12, sequence=6), a_candle(2, volume=3)]
    view = await ask(candles(history_of(stored), Live(recent)))
    assert [each.volume for each in view.items] == [10, 12, 3]
    assert starts(view) == ["09:15", "09:16", "09:17"]
    assert not view.stale


async def test_hand_computed_bars_start_at_the_open() -> None:
    minutes = [
        a_candle(0, 100_00, 10),
        a_candle(14, 101_00, 20),
        a_candle(15, 90_00, 30, basis=Basis.INCOMPLETE),
        a_candle(61, 95_00, 40),
    ]
    served = candles(history_of(minutes))
    quarter = await ask(served, interval="15m")
    assert starts(quarter) == ["09:15", "09:30", "10:15"]
    first = quarter.items[0]
    assert (first.open, first.high, first.low, first.close) == ("100.00", "101.05", "99.95", "101.01")
    assert (first.volume, first.turnover, first.trades, first.complete) == (30, "3020.00", 4, True)
    assert [each.complete for each in quarter.items] == [True, False, True]
    assert starts(await ask(served, interval="1h")) == ["09:15", "10:15"]


async def test_day_opens_with_the_auction_and_counts_all_trades() -> None:
    auction = a_candle(-8, 99_00, 500, session=Session.PRE_OPEN)
    closing = a_candle(376, 103_00, 700, session=Session.CLOSING_AUCTION)
    served = candles(history_of([auction, a_candle(0, 100_00, 10), closing]), at="16:00")
    (day,) = (await ask(served, interval="1d")).items
    assert (day.open, day.close, day.volume, day.start) == ("99.00", "103.01", 1210, wire_microseconds(OPEN))
    minutes = await ask(served)
    assert [(each.session, each.volume) for each in minutes.auctions] == [("PRE_OPEN", 500), ("CLOSING_AUCTION", 700)]
    assert sum(each.volume for each in (*minutes.items, *minutes.auctions)) == day.volume


async def test_minutes_after_a_gap_are_incomplete_with_or_without_trades() -> None:
    gap = OPEN + 20 * MINUTE_US
    served = candles(live=Live([a_candle(0), a_candle(16), a_candle(31)], gap))
    view = await ask(served, interval="15m")
    assert [each.complete for each in view.items] == [True, False, False]


async def test_fill_repeats_the_close_until_now() -> None:
    served = candles(history_of([a_candle(0, 100_00), a_candle(3, 90_00)]), at="09:20")
    view = await ask(served, fill="previous")
    assert starts(view) == ["09:15", "09:16", "09:17", "09:18", "09:19"]
    assert [each.volume for each in view.items] == [10, 0, 0, 10, 0]
    assert [each.close for each in view.items] == ["100.01", "100.01", "100.01", "90.01", "90.01"]
    assert starts(await ask(served)) == ["09:15", "09:18"]


async def test_fill_ends_with_the_session() -> None:
    view = await ask(candles(history_of([a_candle(0)]), at="18:00"), interval="1h", fill="previous")
    assert starts(view) == ["09:15", "10:15", "11:15", "12:15", "13:15", "14:15", "15:15"]


async def test_prices_before_a_split_are_made_comparable() -> None:
    friday = a_candle(0, 200_01, 10, start=OPEN - 3 * DAY_US)
    split = AdjustmentFactor(MONDAY, Fraction(2))
    served = candles(history_of([friday, a_candle(0, 100_00)]), factors=[split])
    week = {"from": "2026-11-20T00:00:00Z", "interval": "1d"}
    before, after = (await ask(served, **week)).items
    assert (before.open, before.volume, before.turnover) == ("100.01", 20, "2000.10")
    assert (after.open, after.volume) == ("100.00", 10)
    raw = (await ask(served, adjusted="false", **week)).items[0]
    assert (raw.open, raw.volume) == ("200.01", 10)


async def test_range_takes_starts_from_its_begin_to_before_its_end() -> None:
    served = candles(history_of([a_candle(minute) for minute in range(10)]))
    view = await ask(served, **{"from": "2026-11-23T09:17:00+05:30", "to": "2026-11-23T03:50:00Z"})
    assert starts(view) == ["09:17", "09:18", "09:19"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"from": "2026-11-23T04:00:00Z", "to": "2026-11-23T04:00:00Z"}, "from must be before to"),
        (
            {"from": "2026-11-16T06:29:59Z", "to": "2026-11-23T06:30:00Z"},
            r"at most 7 days of 1m candles: send from=2026-11-16T06:30:00\.000000Z",
        ),
        ({"from": "2025-01-01T00:00:00Z", "interval": "1d"}, "at most 366 days of 1d candles"),
        ({"from": "0001-01-01T00:00:00+23:59", "to": "9999-12-31T23:59:59-23:59"}, "at most 7 days"),
    ],
)
async def test_range_that_cannot_be_answered_says_which_can(query: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as refused:
        await ask(candles(), **query)
    assert refused.value.details == {"field": "from"}


async def test_without_redis_history_is_answered_as_stale() -> None:
    view = await ask(candles(history_of([a_candle(0)]), Live(away=True)))
    assert (view.stale, len(view.items)) == (True, 1)


async def test_without_history_nothing_is_answered() -> None:
    with pytest.raises(UnavailableError):
        await ask(candles(MemoryHistory(is_away=True)))


async def test_unknown_instrument_has_no_candles() -> None:
    with pytest.raises(NotFoundError):
        await candles().get("NSE:NOTHING", CandlesQuery())


@given(
    trades=st.lists(st.tuples(st.integers(0, 374), st.integers(1, 500), st.integers(1, 9)), min_size=1, max_size=60),
    interval=st.sampled_from([each for each in Interval if each is not Interval.D1]),
    moved=st.sets(st.integers(0, 374)),
)
async def test_roll_up_equals_a_slow_model(
    trades: list[tuple[int, int, int]], interval: Interval, moved: set[int]
) -> None:
    """Trades of (minute, price, quantity) one after another, minutes anywhere between Redis and history."""
    minutes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for minute, price, quantity in sorted(trades, key=lambda each: each[0]):
        minutes[minute].append((price, quantity))
    made = {minute: _of_trades(minute, members) for minute, members in minutes.items()}
    stored = [candle for minute, candle in made.items() if minute in moved]
    recent = [candle for minute, candle in made.items() if minute not in moved or minute % 2]
    view = await ask(candles(history_of(stored), Live(recent), at="16:00"), interval=interval.value)

    length = MINUTES[interval]
    expected: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for minute, members in sorted(minutes.items()):
        expected[minute // length] += members
    assert [
        (each.start, each.open, each.high, each.low, each.close, each.volume, each.trades) for each in view.items
    ] == [
        (
            wire_microseconds(OPEN + bar * length * MINUTE_US),
            _rupees(members[0][0]),
            _rupees(max(price for price, _ in members)),
            _rupees(min(price for price, _ in members)),
            _rupees(members[-1][0]),
            sum(quantity for _, quantity in members),
            len(members),
        )
        for bar, members in sorted(expected.items())
    ]


def _of_trades(minute: int, members: Sequence[tuple[int, int]]) -> Candle:
    prices = [price for price, _ in members]
    return a_candle(
        minute,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(quantity for _, quantity in members),
        turnover=sum(price * quantity for price, quantity in members),
        trades=len(members),
    )


def _rupees(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"
