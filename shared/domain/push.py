"""What is pushed to clients."""

from enum import StrEnum


class Hub(StrEnum):
    """What clients connect to."""

    USER = "user"
    """Each client gets the changes of its own account."""
    MARKET = "market"
    """Each client gets the market data that it has subscribed to."""
