"""The part of host.json's `extensions.durableTask` that changes how this engine behaves.

Unknown settings are left to Azure: host.json is written for it, and most of its settings tune storage
providers that do not exist here. `storageProvider.retentionPolicy` names days after which finished
instances are purged, as the retention policies of the Durable Task Scheduler do.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from emulators.durable.versions import FailureStrategy, MatchStrategy, Versioning

_PER_CORE = 10
_PARTITIONS = 8
_ENTITY_BATCH = 5_000
_PREFIX = "host.json: extensions.durableTask"
_RETENTION = {"completed": "Completed", "failed": "Failed", "terminated": "Terminated"}


class Overridable(StrEnum):
    """Which instances a start with the same id may replace."""

    NON_RUNNING = "NonRunningStates"
    ANY = "AnyState"


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Validated settings; times in seconds, sizes in bytes. `retention` is by final status."""

    max_orchestrators: int
    max_activities: int
    partitions: int = _PARTITIONS
    max_entities: int = _PER_CORE
    entity_batch: int = _ENTITY_BATCH
    versioning: Versioning = field(default_factory=Versioning)
    overridable: Overridable = Overridable.NON_RUNNING
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    http_poll_s: float = 30.0
    lease_s: float = 2.0
    heartbeat_s: float = 0.5
    cache_bytes: int = 64 * 1024 * 1024

    @classmethod
    def from_host_json(cls, settings: Mapping[str, Any]) -> "HubSettings":
        """Read `extensions.durableTask`. Raises ValueError naming the setting that is wrong."""
        default = _PER_CORE * (os.process_cpu_count() or 1)
        storage = settings.get("storageProvider") or {}
        http = settings.get("httpSettings") or {}
        return cls(
            max_orchestrators=_positive(settings, "maxConcurrentOrchestratorFunctions", default),
            max_activities=_positive(settings, "maxConcurrentActivityFunctions", default),
            max_entities=_positive(settings, "maxConcurrentEntityFunctions", default),
            entity_batch=_positive(settings, "maxEntityOperationBatchSize", _ENTITY_BATCH),
            partitions=_positive(storage, "partitionCount", _PARTITIONS),
            versioning=_versioning(settings),
            overridable=_choice(settings, "overridableExistingInstanceStates", Overridable.NON_RUNNING),
            retention=_retention(storage.get("retentionPolicy") or {}),
            http_poll_s=_positive(http, "defaultAsyncRequestSleepTimeMilliseconds", 30_000) / 1000,
        )


def _positive(settings: Mapping[str, Any], name: str, default: int) -> int:
    value = settings.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{_PREFIX}.{name} must be a positive whole number, not {value!r}")
    return value


def _choice[E: StrEnum](settings: Mapping[str, Any], name: str, default: E) -> E:
    value = settings.get(name, default)
    kind = type(default)
    for choice in kind:
        if str(value).casefold() == choice.casefold():
            return choice
    raise ValueError(f"{_PREFIX}.{name} must be one of {', '.join(kind)}, not {value!r}")


def _versioning(settings: Mapping[str, Any]) -> Versioning:
    default = settings.get("defaultVersion")
    if default is not None and not isinstance(default, str):
        raise ValueError(f"{_PREFIX}.defaultVersion must be a text, not {default!r}")
    return Versioning(
        default or None,
        _choice(settings, "versionMatchStrategy", MatchStrategy.CURRENT_OR_OLDER),
        _choice(settings, "versionFailureStrategy", FailureStrategy.REJECT),
    )


def _retention(policy: Mapping[str, Any]) -> dict[str, timedelta]:
    """Days by status; `default` is for the statuses that are not named."""
    unknown = policy.keys() - {*_RETENTION, "default"}
    if unknown:
        raise ValueError(f"{_PREFIX}.storageProvider.retentionPolicy has unknown parts: {', '.join(sorted(unknown))}")
    days = {status: policy.get(name, policy.get("default")) for name, status in _RETENTION.items()}
    return {status: _days(value) for status, value in days.items() if value is not None}


def _days(value: object) -> timedelta:
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{_PREFIX}.storageProvider.retentionPolicy must name days above zero, not {value!r}")
    return timedelta(days=value)
