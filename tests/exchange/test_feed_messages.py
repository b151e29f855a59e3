"""The exchange's side of docs/reference/market-feed.md; tests/docs has the broker's."""

import re
from pathlib import Path

import msgspec
import pytest

from simulators.market_feed import frames

PAGE = (Path(__file__).parents[2] / "docs/reference/market-feed.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "Windows and keyframe": frames.Windows,
    "Heartbeat": frames.Heartbeat,
    "Window": frames.Window,
    "Traded": frames.Traded,
    "State": frames.State,
    "Level": frames.Level,
    "Resend": frames.Resend,
    "Trade": frames.Trade,
}


def documented(section: str) -> list[str]:
    """The fields of a section, in order."""
    text = re.split(r"^##+ ", PAGE.partition(f"### {section}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
    return [field for names in rows for field in re.findall(r"`(\w+)`", names)]


@pytest.mark.parametrize("section", SECTIONS)
def test_structs_have_the_documented_fields_in_order(section: str) -> None:
    assert list(SECTIONS[section].__struct_fields__) == documented(section)


def test_keyframes_are_built_like_windows() -> None:
    assert frames.Keyframe.__struct_fields__ == frames.Windows.__struct_fields__


def test_every_phase_is_documented() -> None:
    [row] = re.findall(r"^\| `phase` \| (`PRE_OPEN.+?)\. ", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == [phase.value for phase in frames.SessionPhase]
