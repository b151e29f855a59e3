"""Search ranks an instrument by how it matches what was typed."""

from typing import Any

import pytest

from shared.domain.instruments.search import EXACT, INSIDE, ISIN, SYMBOL, WORD, rank
from tests.support.facts import instrument


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("infy", EXACT),
        ("NSE:infy", EXACT),
        ("ine009a01021", EXACT),
        ("inf", SYMBOL),
        ("nse:", SYMBOL),
        ("INE009A", ISIN),
        ("infosys", WORD),
        ("  limi ", WORD),
        ("infosys   lim", WORD),
        ("fosys", INSIDE),
        ("ys l", INSIDE),
        ("tcs", None),
        ("   ", None),
        ("infosys tcs", None),
    ],
)
def test_best_way_to_match_decides(words: str, place: int | None) -> None:
    assert rank(instrument(), words) == place


@pytest.mark.parametrize("changes", [{"isin": ""}, {"name": ""}])
def test_what_an_instrument_lacks_is_not_found(changes: dict[str, Any]) -> None:
    assert rank(instrument(**changes), "zz") is None
