"""The README's picture: what a run printed, line by line at its time, and small."""

import re

from sandbox.cast import shown, svg
from tests.docs.generated import ROOT

_PICTURE = ROOT / "docs" / "make-run.svg"
_MOST_BYTES = 200_000


def test_lines_of_picture_appear_at_their_time() -> None:
    picture = svg([(0.0, "$ make run"), (0.5, "a <b> & c"), (1.25, "served")])
    assert "a&#160;&lt;b&gt;&#160;&amp;&#160;c" in picture
    assert re.findall(r"run-line-(\d)\)\"\] { animation-delay: ([\d.]+)s", picture) == [
        ("0", "0.00"),
        ("1", "0.50"),
        ("2", "1.25"),
    ]


def test_addresses_and_people_are_left_out() -> None:
    lines = [(1.0, "ok Valkey"), (2.0, "Addresses"), (2.0, "  Logs /somewhere"), (3.0, "Serving since 3.0 s")]
    assert list(shown(lines)) == [(1.0, "ok Valkey"), (2.0, "..."), (3.0, "Serving since 3.0 s")]


def test_checked_in_picture_is_small_and_whole() -> None:
    text = _PICTURE.read_text(encoding="utf-8")
    assert len(text.encode()) < _MOST_BYTES
    assert "Serving&#160;since" in text
    assert str(ROOT) not in text
