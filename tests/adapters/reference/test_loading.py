"""The data files are loaded whole or refused with one clear sentence."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.reference import DATA_FOLDER, load_reference_data
from shared.adapters.reference.entry import ReferenceDataError
from shared.domain.instruments.instrument import EQUITY

HEADER = DATA_FOLDER.joinpath("instruments.csv").read_text(encoding="utf-8").splitlines()[0]
INFY = "NSE:INFY,INFY,INE009A01021,Infosys Limited,0.10,1,1500.00,10,20000,true,2026-04-01,"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped files, free to be spoiled."""
    return Path(shutil.copytree(DATA_FOLDER, tmp_path / "data"))


def spoil(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON document in place."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def refusal(folder: Path) -> str:
    """The sentence with which the folder is refused."""
    with pytest.raises(ReferenceDataError) as refused:
        load_reference_data(folder)
    return str(refused.value)


def test_shipped_data_loads_once_a_process() -> None:
    assert load_reference_data() is load_reference_data()


def test_shipped_data_is_complete_for_a_date() -> None:
    data = load_reference_data()
    today = date(2026, 11, 23)
    infy = data.instruments.find("NSE:INFY", today)
    assert infy is not None
    assert (infy.isin, infy.tick_size_paise, infy.reference_price_paise) == ("INE009A01021", 10, 150_000)
    assert set(data.calendars) == {"nse", "continuous"}
    assert data.markets == {name: {EQUITY: calendar} for name, calendar in data.calendars.items()}
    assert data.limits.for_date(today).max_order_value_paise == 1_000_000_000
    assert data.limits.for_date(today).market_protection_bps == 500


@pytest.mark.parametrize(
    ("route", "requests"),
    [
        ("POST /api/orders", 60),
        ("PUT /api/orders/{order_id}", 30),
        ("DELETE /api/orders/{order_id}", 30),
        ("GET /api/portfolios/{user_id}", 100),
        ("GET /api/marketdata/stream", 1000),
        ("GET /api/trades/{user_id}", 50),
    ],
)
def test_published_rate_limits_are_the_shipped_ones(route: str, requests: int) -> None:
    assert load_reference_data().rate_limits.limit(route) == requests


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            INFY.replace("01021", "01022", 1),
            "line 2, field isin: INE009A01022 is not an ISIN: its check digit is wrong",
        ),
        (INFY.replace("INE009A01021", "INFY"), "line 2, field isin: 'INFY' is not an ISIN"),
        (INFY.replace(",INFY,", ",infy,"), "line 2, field symbol: 'infy' is not an exchange symbol"),
        (INFY.replace(",INFY,", ",TCS,"), "instrument_id NSE:INFY is not VENUE:TCS"),
        (INFY.replace("0.10", "0.05"), "reference_price 1500.00 calls for tick_size 0.10"),
        (INFY.replace("1500.00", "1500.05"), "must be a multiple of it"),
        (INFY.replace("1500.00", "1.5e3"), "line 2, field reference_price: '1.5e3' is not an amount"),
        (INFY.replace("1500.00", "0"), "an amount above zero is expected"),
        (INFY.replace(",20000,", ",0,"), "field freeze_quantity: a positive whole number is expected, not '0'"),
        (INFY.replace(",1,", ",30000,"), "freeze_quantity 20000 is under one lot of 30000"),
        (INFY.replace(",10,", ",101,"), "field price_band_percent: 101 percent is not between 0 and 100"),
        (INFY.replace(",10,", ",ten,"), "field price_band_percent: a percentage is expected, not 'ten'"),
        (INFY.replace(",10,", ",NaN,"), "field price_band_percent: a percentage is expected, not 'NaN'"),
        (INFY.replace("true", "yes"), "field futures_and_options: true or false is expected, not 'yes'"),
        (INFY.replace("2026-04-01", "1 April"), "line 2, field valid_from: Invalid isoformat"),
        (INFY.replace("2026-04-01", "2020-01-01"), "line 2: no tick table holds on 2020-01-01"),
        (INFY + "2026-03-31", "valid_to 2026-03-31 is before valid_from 2026-04-01"),
        (INFY.rsplit(",", 1)[0], "the row of NSE:INFY has not as many fields as the header"),
        (INFY + ",1", "the row of NSE:INFY has not as many fields as the header"),
        (INFY + "\n" + INFY, "NSE:INFY: the version from 2026-04-01 overlaps the one from 2026-04-01"),
        (INFY.replace("Infosys", '"Infosys'), "instruments.csv: "),
    ],
)
def test_bad_instrument_row_is_named(folder: Path, row: str, sentence: str) -> None:
    folder.joinpath("instruments.csv").write_text(f"{HEADER}\n{row}\n", encoding="utf-8")
    assert refusal(folder).startswith("instruments.csv")
    assert sentence in refusal(folder)


def test_missing_column_is_named(folder: Path) -> None:
    folder.joinpath("instruments.csv").write_text(f"{HEADER}\n{INFY}\n".replace("lot_size", "lots"), encoding="utf-8")
    assert refusal(folder) == "instruments.csv, line 2: the field lot_size is missing"


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        (
            "rate_cards.json",
            lambda it: it["cards"][1].pop("gst_percent"),
            "rate_cards.json, cards[1]: the field gst_percent is missing",
        ),
        (
            "rate_cards.json",
            lambda it: it["cards"][0].update(stt_buy_percent=0.1),
            "rate_cards.json, cards[0], field stt_buy_percent: a text is expected, not 0.1",
        ),
        (
            "rate_cards.json",
            lambda it: it["cards"][0].update(stt_sell_percent="60"),
            "rate_cards.json, cards[0]: rate card 2024-10-01: rates must be 0 or more",
        ),
        ("rate_cards.json", lambda it: it.update(cards=[]), "rate_cards.json: rate cards: at least one is needed"),
        (
            "rate_cards.json",
            lambda it: it.update(cards=7),
            "rate_cards.json, field cards: a list or an object is expected, not 7",
        ),
        ("rate_cards.json", lambda it: it.update(cards=[7]), "rate_cards.json, cards[0]: an object is expected, not 7"),
        (
            "tick_sizes.json",
            lambda it: it["tables"][0]["rows"].reverse(),
            "tick_sizes.json, tables[0]: tick table 2025-04-15: prices must start at 0 and rise",
        ),
        (
            "sessions.json",
            lambda it: it["calendars"]["nse"]["regular"][0].update(closes="3pm"),
            "sessions.json, calendars[nse], regular[0], field closes: a time of day between 00:00 and 24:00",
        ),
        (
            "sessions.json",
            lambda it: it["calendars"]["nse"]["regular"][0].update(closes="09:00"),
            "sessions.json, calendars[nse], regular[0]: a session opens before it closes",
        ),
        (
            "sessions.json",
            lambda it: it["calendars"]["nse"]["regular"][0].update(weekdays=["MONDAY"]),
            "regular[0], field weekdays: weekdays are MON, TUE, WED, THU, FRI, SAT, SUN, not MONDAY",
        ),
        (
            "sessions.json",
            lambda it: it["calendars"]["nse"]["holidays"].update({"2026-02-30": "No day"}),
            "sessions.json, calendars[nse], field holidays: ",
        ),
        (
            "sessions.json",
            lambda it: it["calendars"]["nse"]["special_sessions"].update({"2026-11-08": {"opens": "18:00"}}),
            "sessions.json, calendars[nse], special_sessions[2026-11-08]: the field closes is missing",
        ),
        (
            "sessions.json",
            lambda it: it["markets"]["nse"].update(EQ="bse"),
            "sessions.json, markets[nse], field EQ: one of nse, continuous is expected, not 'bse'",
        ),
        (
            "sessions.json",
            lambda it: it["markets"]["continuous"].clear(),
            "sessions.json, markets[continuous]: the field EQ is missing",
        ),
        (
            "limits.json",
            lambda it: it["versions"][0].update(max_order_quantity=True),
            "limits.json, versions[0], field max_order_quantity: a positive whole number is expected, not True",
        ),
        (
            "rate_limits.json",
            lambda it: it["requests_per_minute"].update({"GET /api/funds": -1}),
            "rate_limits.json, field requests_per_minute: a positive whole number is expected, not -1",
        ),
        (
            "limits.json",
            lambda it: it["versions"][0].update(products=["CNC", "MIS", "MTF"]),
            "limits.json, versions[0]: limits 2026-04-01: MIS, MTF can't be offered, because no rule handles it yet",
        ),
        (
            "limits.json",
            lambda it: it["versions"][0].update(products=[]),
            "limits.json, versions[0], field products: a list of texts is expected, not []",
        ),
    ],
)
def test_bad_document_entry_is_named(folder: Path, file: str, change: Callable[[Any], object], sentence: str) -> None:
    spoil(folder / file, change)
    assert sentence in refusal(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"'])
def test_document_that_is_no_json_object_is_named(folder: Path, text: str) -> None:
    folder.joinpath("limits.json").write_text(text, encoding="utf-8")
    assert refusal(folder).startswith("limits.json: ")


@pytest.mark.parametrize("file", ["instruments.csv", "tick_sizes.json", "rate_cards.json", "sessions.json"])
def test_missing_file_is_named_with_its_folder(folder: Path, file: str) -> None:
    folder.joinpath(file).unlink()
    assert refusal(folder) == f"{file} can't be read from {folder}: No such file or directory"


def test_factors_of_splits_are_read_by_instrument(folder: Path) -> None:
    entries = [{"instrument_id": "NSE:INFY", "ex_date": "2026-06-01", "factor": "3/2"}]
    spoil(folder / "adjustments.json", lambda document: document.update(factors=entries))
    (factor,) = load_reference_data(folder).adjustments["NSE:INFY"]
    assert (factor.ex_date, factor.factor) == (date(2026, 6, 1), Fraction(3, 2))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"factor": "1.5"}, 'field factor: a ratio such as "2" or "3/2" is expected'),
        ({"factor": "0"}, "field factor"),
        ({"ex_date": "1 June"}, "field ex_date"),
        ({"instrument_id": "NSE:NOTHING"}, "NSE:NOTHING is no instrument"),
        ({}, "NSE:INFY has two factors on 2026-06-01"),
    ],
)
def test_wrong_factors_are_refused(folder: Path, changes: dict[str, str], sentence: str) -> None:
    entry = {"instrument_id": "NSE:INFY", "ex_date": "2026-06-01", "factor": "2"}
    spoil(folder / "adjustments.json", lambda document: document.update(factors=[entry, entry | changes]))
    assert sentence in refusal(folder)
