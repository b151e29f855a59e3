"""Which steps a client's KYC may take."""

import pytest

from shared.domain.errors import StateConflictError
from shared.domain.kyc import TRANSITIONS, KycStatus, may_trade, move


def test_only_active_clients_may_trade() -> None:
    assert [status for status in KycStatus if may_trade(status)] == [KycStatus.ACTIVE]


@pytest.mark.parametrize("current", KycStatus)
@pytest.mark.parametrize("target", KycStatus)
def test_every_step_is_in_the_table_or_refused(current: KycStatus, target: KycStatus) -> None:
    if target in TRANSITIONS[current]:
        assert move(current, target) is target
        return
    with pytest.raises(StateConflictError) as refused:
        move(current, target)
    assert refused.value.details == {"state": current.value}


def test_trading_is_only_reached_through_review_and_approval() -> None:
    assert {status for status, targets in TRANSITIONS.items() if KycStatus.ACTIVE in targets} == {
        KycStatus.APPROVED,
        KycStatus.SUSPENDED,
    }
    assert [status for status, targets in TRANSITIONS.items() if KycStatus.APPROVED in targets] == [
        KycStatus.UNDER_REVIEW
    ]


def test_every_status_can_be_reached_and_left_until_closed() -> None:
    reached = {KycStatus.NOT_STARTED}
    while more := {target for status in reached for target in TRANSITIONS[status]} - reached:
        reached |= more
    assert reached == set(KycStatus) == set(TRANSITIONS)
    assert [status for status, targets in TRANSITIONS.items() if not targets] == [KycStatus.CLOSED]
