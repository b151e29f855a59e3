"""Ticks, bands, protection prices, and looking instruments up by date."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.reference import load_reference_data
from shared.domain.instruments.instrument import EQUITY, price_band, protection_price
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.instruments.ticks import TickTable
from shared.domain.orders.terms import Side
from tests.support.facts import TODAY, instrument

TABLE = TickTable("test", TODAY, ((0, 1), (25_000, 5), (100_000, 10)))


@pytest.mark.parametrize(("price", "tick"), [(0, 1), (24_999, 1), (25_000, 5), (99_999, 5), (100_000, 10), (10**9, 10)])
def test_tick_steps_exactly_at_the_row_price(price: int, tick: int) -> None:
    assert TABLE.tick_paise(price) == tick


@pytest.mark.parametrize("rows", [(), ((1, 1),), ((0, 1), (0, 2)), ((0, 1), (9, 2), (5, 3)), ((0, 0),)])
def test_tick_table_with_gaps_or_disorder_is_refused(rows: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="tick table"):
        TickTable("test", TODAY, rows)


def test_negative_price_has_no_tick() -> None:
    with pytest.raises(ValueError, match="not negative"):
        TABLE.tick_paise(-1)


def test_price_band_lies_on_ticks_inside_the_percentage() -> None:
    assert price_band(instrument()) == (135_000, 165_000)
    assert price_band(instrument(reference_price_paise=150_010)) == (135_010, 165_010)


prices = st.integers(1, 100_000).map(lambda ticks: ticks * 10)


@given(prices, st.integers(0, 2_000), st.sampled_from([1, 5, 10]))
def test_price_band_is_the_widest_on_ticks(reference: int, bps: int, tick: int) -> None:
    low, high = price_band(instrument(reference_price_paise=reference, price_band_bps=bps, tick_size_paise=tick))
    lowest, highest = reference * (10_000 - bps), reference * (10_000 + bps)
    assert low % tick == high % tick == 0
    assert lowest <= low * 10_000 < lowest + tick * 10_000
    assert highest - tick * 10_000 < high * 10_000 <= highest


@given(prices, st.integers(0, 2_000), st.integers(0, 3_000), st.sampled_from(Side), prices | st.none())
def test_protection_price_is_on_tick_inside_the_band(
    reference: int, band_bps: int, protection_bps: int, side: Side, last_price: int | None
) -> None:
    traded = instrument(reference_price_paise=reference, price_band_bps=band_bps)
    low, high = price_band(traded)
    price = protection_price(traded, side, protection_bps, last_price)
    assert price % traded.tick_size_paise == 0
    assert low <= price <= high


def test_protection_price_never_exceeds_the_asked_distance() -> None:
    traded = instrument(reference_price_paise=150_010)
    assert protection_price(traded, Side.BUY, 500) == 157_510
    assert protection_price(traded, Side.SELL, 500) == 142_510
    assert protection_price(instrument(), Side.BUY, 500, last_price_paise=140_000) == 147_000
    assert protection_price(instrument(), Side.SELL, 2_000) == 135_000


def test_version_is_found_by_date_and_newest_otherwise() -> None:
    split = date(2026, 9, 1)
    before = instrument(valid_to=split - timedelta(days=1), lot_size=1)
    after = instrument(valid_from=split, valid_to=date(2026, 12, 31), lot_size=5)
    master = InstrumentMaster([after, before])
    assert master.find("NSE:INFY", split - timedelta(days=1)) == before
    assert master.find("NSE:INFY", split) == after
    delisted = master.find("NSE:INFY", date(2027, 1, 1))
    assert delisted == after
    assert not delisted.is_active(date(2027, 1, 1))
    assert master.find("NSE:NOPE", split) is None


def test_instrument_is_traded_from_first_to_last_day() -> None:
    one_day = instrument(valid_from=TODAY, valid_to=TODAY)
    days = [TODAY + timedelta(days=n) for n in (-1, 0, 1)]
    assert [one_day.is_active(day) for day in days] == [False, True, False]


def test_list_holds_active_instruments_by_id() -> None:
    gone = instrument(instrument_id="NSE:GONE", valid_to=TODAY - timedelta(days=1))
    tcs, infy = instrument(instrument_id="NSE:TCS"), instrument()
    assert InstrumentMaster([tcs, gone, infy]).list_active({EQUITY: TODAY}) == [infy, tcs]


def test_version_in_another_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="stays in its segment"):
        InstrumentMaster(
            [instrument(valid_to=date(2026, 8, 31)), instrument(valid_from=date(2026, 9, 1), segment="FO")]
        )


@pytest.mark.parametrize("valid_to", [None, date(2026, 9, 1), date(2026, 9, 2)])
def test_overlapping_versions_of_one_instrument_are_refused(valid_to: date | None) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        InstrumentMaster([instrument(valid_to=valid_to), instrument(valid_from=date(2026, 9, 1))])


def test_shipped_instruments_are_tradable_today() -> None:
    listed = load_reference_data().instruments.list_active({EQUITY: TODAY})
    assert len(listed) >= 20
    assert len({each.isin for each in listed}) == len(listed)
    for each in listed:
        low, high = price_band(each)
        assert low < each.reference_price_paise < high
