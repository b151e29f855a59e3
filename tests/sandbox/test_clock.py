"""The market time of a sandbox stays where the broker's dated tables reach."""

from datetime import datetime
from pathlib import Path

import pytest

from sandbox.clock import set_market_time
from sandbox.errors import SandboxError
from sandbox.folder import DataFolder
from sandbox.running import Running


@pytest.mark.parametrize("when", ["2020-01-06T10:00+05:30", "0001-01-01T00:00+00:00", "9999-12-31T23:00+00:00"])
def test_a_time_that_no_table_covers_is_refused(data: Path, when: str) -> None:
    running = Running(DataFolder.at(data))

    with pytest.raises(SandboxError, match="The market time can't be"):
        set_market_time(running, datetime.fromisoformat(when))
