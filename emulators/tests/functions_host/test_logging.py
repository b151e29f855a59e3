"""Which lines functions may write, by host.json, the command line and the worker's own setting."""

import logging

import pytest

from emulators.functions.logging import LogLevels


@pytest.mark.parametrize(
    ("option", "settings", "level"),
    [
        (None, {}, logging.INFO),
        (None, {"PYTHON_ENABLE_DEBUG_LOGGING": "1"}, logging.DEBUG),
        ("debug", {}, logging.DEBUG),
    ],
)
def test_debug_lines_pass_only_when_asked_for(option: str | None, settings: dict[str, str], level: int) -> None:
    assert LogLevels({"default": "Trace"}, option).of_root(settings) == level
