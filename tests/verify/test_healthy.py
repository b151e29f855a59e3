"""What a healthy broker looks like to the verification."""

from collections.abc import Callable
from datetime import timedelta

from sandbox.verify import Sources, Terms, verify
from tests.verify.world import RATE_CARDS


def test_busy_broker_breaks_no_invariant(copy: Callable[[str], str]) -> None:
    # Nothing runs here, and the copy may be taken long after the world was made.
    patient = Terms(RATE_CARDS, settle_s=3600, late_after=timedelta(hours=1))
    verdict = verify(Sources(copy("busy")), patient)
    assert verdict.violations == []
    assert set(verdict.skipped) == {7, 12, 14, 15, 16}
    assert len(verdict.passed) > 35


def test_resting_broker_and_venue_agree(copy: Callable[[str], str]) -> None:
    verdict = verify(Sources(copy("rest"), exchange=copy("venue")), Terms(RATE_CARDS, at_rest=True, settle_s=0))
    assert verdict.violations == []
    assert set(verdict.skipped) == {7, 14, 15, 16}


def test_stopped_broker_is_judged_by_its_own_time(copy: Callable[[str], str]) -> None:
    verdict = verify(Sources(copy("busy")), Terms(RATE_CARDS, stopped=True))
    assert verdict.violations == []
    assert {12, 17} <= set(verdict.skipped)
