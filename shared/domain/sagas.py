"""Order sagas in words: how one stands, what its steps are called, and what a step did to an order."""

from enum import StrEnum

from shared.domain.orders.order import State


class SagaState(StrEnum):
    """A stuck saga is in flight past its deadline."""

    IN_FLIGHT = "IN_FLIGHT"
    STUCK = "STUCK"
    FINISHED = "FINISHED"


class Step(StrEnum):
    """The steps of a saga, by the names of their activities."""

    RESERVE_FUNDS = "reserve_funds"
    SUBMIT_TO_EXCHANGE = "submit_to_exchange"
    CONFIRM = "confirm"
    RELEASE_FUNDS = "release_funds"


class Exceptional(StrEnum):
    """What a step did to an order that did not go the usual way."""

    UNANSWERED = "UNANSWERED"
    """The exchange has not answered; a recovery asks it."""
    COMPENSATED = "COMPENSATED"
    """A step failed for good, so the order was refused and its hold released."""
    POISON = "POISON"
    """No transaction takes the order, so it was refused alone."""


type Outcome = State | Exceptional
"""How the order stands after the step, or what else the step did to it."""
