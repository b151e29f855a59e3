"""Answers that a test asks for: the service's refusals, which nothing here would cause by itself."""

from dataclasses import dataclass
from typing import Any

from emulators.cosmos.documents import Document
from emulators.cosmos.errors import CosmosError, bad_request
from emulators.cosmos.limits import MAX_FAULTS

_MAX_COUNT = 1_000_000
_DEFAULT_SUB_STATUS = {429: 3200}
_STATUSES = (404, 408, 410, 429, 449, 500, 503)


@dataclass(slots=True)
class Fault:
    """The next `count` requests of this method below this path get the status; empty: of any method, any path."""

    status: int
    sub_status: int
    count: int
    retry_after_ms: int
    method: str
    path: str

    @property
    def view(self) -> dict[str, Any]:
        """As it is listed."""
        return {
            "status": self.status,
            "subStatus": self.sub_status,
            "count": self.count,
            "retryAfterMs": self.retry_after_ms,
            "method": self.method,
            "path": self.path,
        }


class Faults:
    """What is still to be answered."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(
        self,
        status: int,
        *,
        count: int = 1,
        sub_status: int | None = None,
        retry_after_ms: int = 10,
        method: str = "",
        path: str = "",
    ) -> None:
        """Answer so many requests with this status."""
        sub = _DEFAULT_SUB_STATUS.get(status, 0) if sub_status is None else sub_status
        self.waiting.append(Fault(status, sub, count, retry_after_ms, method.upper(), path.strip("/")))

    def read(self, body: Document) -> None:
        """Add the one that a request describes. Raises CosmosError."""
        fields = {"status", "subStatus", "count", "retryAfterMs", "method", "path"}
        numbers = [body.get(name, 0) for name in ("status", "subStatus", "count", "retryAfterMs")]
        texts = [body.get(name, "") for name in ("method", "path")]
        right = all(type(one) is int and 0 <= one <= _MAX_COUNT for one in numbers)
        if not (right and all(isinstance(one, str) for one in texts) and body.keys() <= fields):
            raise bad_request("A fault has the numbers status, subStatus, count, retryAfterMs, and method and path.")
        if body.get("status", 429) not in _STATUSES or len(self.waiting) >= MAX_FAULTS:
            raise bad_request(f"A fault has one of the statuses {_STATUSES}; at most {MAX_FAULTS} may wait.")
        self.add(
            body.get("status", 429),
            count=body.get("count", 1),
            sub_status=body.get("subStatus"),
            retry_after_ms=body.get("retryAfterMs", 10),
            method=texts[0],
            path=texts[1],
        )

    def check(self, method: str, path: str) -> None:
        """Raises the CosmosError that waits for this request, if one does."""
        for fault in self.waiting:
            if fault.count > 0 and fault.method in ("", method) and path.startswith(fault.path):
                fault.count -= 1
                self.waiting = [one for one in self.waiting if one.count > 0]
                headers = {"x-ms-retry-after-ms": str(fault.retry_after_ms)}
                raise CosmosError(
                    fault.status, "The emulator was asked for this fault.", sub_status=fault.sub_status, headers=headers
                )
