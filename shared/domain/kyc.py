"""Know your customer: where a client stands, and which steps are legal from there.

Rules: the table below is the only list of legal steps. A person's own data is never approved by the one who
reviewed it: UNDER_REVIEW -> APPROVED is the maker's step, APPROVED -> ACTIVE the checker's. Only ACTIVE trades.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.domain.errors import StateConflictError


class KycStatus(StrEnum):
    """Where a client stands."""

    NOT_STARTED = "NOT_STARTED"
    REGISTERED = "REGISTERED"
    PAN_VERIFIED = "PAN_VERIFIED"
    DOCUMENTS_SUBMITTED = "DOCUMENTS_SUBMITTED"
    UNDER_REVIEW = "UNDER_REVIEW"
    APPROVED = "APPROVED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"


TRANSITIONS: Final[Mapping[KycStatus, frozenset[KycStatus]]] = {
    KycStatus.NOT_STARTED: frozenset({KycStatus.REGISTERED}),
    KycStatus.REGISTERED: frozenset({KycStatus.PAN_VERIFIED, KycStatus.REJECTED}),
    KycStatus.PAN_VERIFIED: frozenset({KycStatus.DOCUMENTS_SUBMITTED, KycStatus.REJECTED}),
    KycStatus.DOCUMENTS_SUBMITTED: frozenset({KycStatus.UNDER_REVIEW}),
    KycStatus.UNDER_REVIEW: frozenset({KycStatus.DOCUMENTS_SUBMITTED, KycStatus.APPROVED, KycStatus.REJECTED}),
    KycStatus.APPROVED: frozenset({KycStatus.ACTIVE, KycStatus.UNDER_REVIEW, KycStatus.REJECTED}),
    KycStatus.ACTIVE: frozenset({KycStatus.UNDER_REVIEW, KycStatus.SUSPENDED, KycStatus.CLOSED}),
    KycStatus.SUSPENDED: frozenset({KycStatus.ACTIVE, KycStatus.UNDER_REVIEW, KycStatus.CLOSED}),
    KycStatus.REJECTED: frozenset({KycStatus.REGISTERED}),
    KycStatus.CLOSED: frozenset(),
}


def move(current: KycStatus, target: KycStatus) -> KycStatus:
    """The target, when the step is legal. Raises StateConflictError, carrying the current status, when not."""
    if target not in TRANSITIONS[current]:
        raise StateConflictError(f"KYC can't go from {current} to {target}.", state=current)
    return target


def may_trade(status: KycStatus) -> bool:
    """Whether a client in this status may place orders."""
    return status == KycStatus.ACTIVE
