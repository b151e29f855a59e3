"""Dated instrument rows and the checks they imply."""

from datetime import date
from pathlib import Path

import pytest

from simulators.exchange.instruments import InstrumentFileError, read_instruments
from tests.exchange.support import INSTRUMENTS

HEADER = INSTRUMENTS.read_text().splitlines()[0]


def test_row_is_found_on_its_dates_only() -> None:
    master = read_instruments(INSTRUMENTS)
    assert master.find("NSE:LOTS", date(2030, 12, 31)) is not None
    assert master.find("NSE:LOTS", date(2031, 1, 1)) is None
    assert master.find("NSE:INFY", date(2019, 12, 31)) is None
    assert len(master.listed(date(2026, 1, 1))) == 3


def test_band_is_rounded_inwards_to_the_tick(tmp_path: Path) -> None:
    file = tmp_path / "i.csv"
    file.write_text(f"{HEADER}\nNSE:X,X,I,X,0.50,1,99.90,10,100,2020-01-01,\n")
    found = read_instruments(file).find("NSE:X", date(2026, 1, 1))
    assert found is not None
    assert found.band == (9_000, 10_950)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("NSE:X,X,I,X,0.005,1,100,10,100,2020-01-01,", "line 2.*fraction of a paisa"),
        ("NSE:X,X,I,X,0.05,0,100,10,100,2020-01-01,", "line 2.*must be positive"),
        ("NSE:X,X,I,X,0.05,1,cheap,10,100,2020-01-01,", "line 2"),
        ("NSE:X,X,I,X,0.05,1,100,10,100,soon,", "line 2"),
    ],
)
def test_bad_row_is_named_by_its_line(tmp_path: Path, row: str, words: str) -> None:
    file = tmp_path / "i.csv"
    file.write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(InstrumentFileError, match=words):
        read_instruments(file)


def test_missing_file_is_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InstrumentFileError, match=r"cannot read .*none\.csv: No such file"):
        read_instruments(tmp_path / "none.csv")
