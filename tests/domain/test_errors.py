"""The error tree and its table of codes are one list."""

import re

import pytest

from functions.edge.requests import InvalidFieldsError
from shared.contracts.problems import ERRORS, entry_of
from shared.domain import errors
from shared.domain.errors import BrokerError, ErrorCode, OrderRejectedError, RetryLaterError, StateConflictError
from shared.domain.orders.rejects import RejectCode, reject


def subclasses(of: type[BrokerError]) -> list[type[BrokerError]]:
    """All classes of the module under one, depth first, in the order they are written."""
    children = [child for child in of.__subclasses__() if child.__module__ == errors.__name__]
    return [each for child in children for each in (child, *subclasses(child))]


def test_drawn_tree_is_the_tree_of_classes() -> None:
    drawing = re.findall(r"── (\w+) +(?:([A-Z_]+)\b)?", errors.__doc__ or "")
    leaves = [(each.__name__, each.code.value) for each in subclasses(BrokerError)]
    assert drawing == [("RetryLaterError", "") if each[0] == RetryLaterError.__name__ else each for each in leaves]


def test_every_code_is_raised_by_exactly_one_class() -> None:
    codes = [each.code for each in subclasses(BrokerError) if each is not RetryLaterError] + [BrokerError.code]
    assert sorted(codes) == sorted(ErrorCode)


def test_every_error_has_a_status_and_a_title_of_its_own() -> None:
    raised = {each for each in subclasses(BrokerError) if each is not RetryLaterError} | {BrokerError}
    assert ERRORS.keys() == raised
    assert len({entry.title for entry in ERRORS.values()}) == len(ERRORS)
    assert entry_of(InvalidFieldsError([("price", "no")])) == ERRORS[errors.InvalidRequestError]


def test_order_refusal_carries_limit_actual_and_remedy() -> None:
    refusal = reject(RejectCode.QUANTITY_EXCEEDS_FREEZE, limit=10, actual=15)
    error = OrderRejectedError(refusal)
    assert (entry_of(error).status, error.message) == (422, "quantity=15, freeze_quantity=10")
    assert error.details == {
        "reject_code": "QUANTITY_EXCEEDS_FREEZE",
        "limit": "10",
        "actual": "15",
        "remedy": refusal.remedy,
    }


@pytest.mark.parametrize(
    ("error", "status", "details"),
    [
        (errors.InvalidRequestError("no", field="price"), 400, {"field": "price"}),
        (errors.InvalidRequestError("no"), 400, {}),
        (errors.KycRequiredError("no", kyc_status="NOT_STARTED"), 403, {"kyc_status": "NOT_STARTED"}),
        (StateConflictError("no", state="FILLED"), 409, {"state": "FILLED"}),
        (errors.PayloadTooLargeError("no", limit_bytes=65_536), 413, {"limit_bytes": 65_536}),
        (errors.RateLimitedError("no", retry_after_s=7), 429, {}),
    ],
)
def test_narrow_errors_carry_their_details(error: BrokerError, status: int, details: dict[str, object]) -> None:
    assert (entry_of(error).status, dict(error.details), str(error)) == (status, details, "no")


def test_retry_later_names_whole_seconds() -> None:
    assert errors.OverloadedError("busy", retry_after_s=1).retry_after_s == 1
    assert entry_of(errors.UnavailableError("away", retry_after_s=5)).status == 503
