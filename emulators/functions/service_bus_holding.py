"""Messages that fail again and again: how long they are held before they are abandoned, which delivers them anew."""

import time
from collections.abc import Sequence
from heapq import heappop, heappush

from azure.servicebus import ServiceBusReceivedMessage

# A queue dead-letters after ten deliveries unless configured otherwise; a dead-letter queue never does.
_DELIVERIES_AT_ONCE = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 4.0
"""The longest is shorter than the shortest lock that Service Bus grants (5 s)."""


def pause_before_abandoning(message: ServiceBusReceivedMessage) -> float:
    """Seconds: none for the first deliveries, then doubling."""
    deliveries = (message.delivery_count or 0) + 1
    if deliveries <= _DELIVERIES_AT_ONCE:
        return 0.0
    return min(_FIRST_PAUSE_S * 2.0 ** min(deliveries - _DELIVERIES_AT_ONCE - 1, 16), _LONGEST_PAUSE_S)


class HeldMessages:
    """Locked messages of one receiver that wait to be abandoned."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ServiceBusReceivedMessage]] = []

    def __bool__(self) -> bool:
        return bool(self._heap)

    def keep(self, messages: Sequence[ServiceBusReceivedMessage]) -> list[ServiceBusReceivedMessage]:
        """Hold each as long as it should be; returns those that should be abandoned now."""
        now = time.monotonic()
        for message in messages:
            pause_s = pause_before_abandoning(message)
            if pause_s:
                heappush(self._heap, (now + pause_s, message.sequence_number or 0, message))
        return [message for message in messages if not pause_before_abandoning(message)]

    def due(self) -> list[ServiceBusReceivedMessage]:
        """Those that have been held long enough, which are forgotten here."""
        now, found = time.monotonic(), []
        while self._heap and self._heap[0][0] <= now:
            found.append(heappop(self._heap)[2])
        return found

    def at_most(self, seconds: float) -> float:
        """`seconds`, or less when a message is due earlier."""
        return min(seconds, max(self._heap[0][0] - time.monotonic(), 0.01)) if self._heap else seconds
