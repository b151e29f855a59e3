"""What a blob trigger passes beside the content, as `BlobTriggerBinding` of
Microsoft.Azure.WebJobs.Extensions.Storage.Blobs 5 does: enumerations as numbers, times with their offset."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient

from emulators.functions.amqp_values import to_json
from emulators.functions.dotnet_json import date_time_offset
from emulators.functions.worker import TypedData

# The members of Azure.Storage.Blobs.Models, in their order.
_BLOB_TYPES = ("BlockBlob", "PageBlob", "AppendBlob")
_LEASE_DURATIONS = ("infinite", "fixed")
_LEASE_STATES = ("available", "leased", "expired", "breaking", "broken")
_LEASE_STATUSES = ("locked", "unlocked")
_COPY_STATUSES = ("pending", "success", "aborted", "failed")


def trigger_metadata(blob: BlobClient, properties: BlobProperties, names: Mapping[str, str]) -> dict[str, TypedData]:
    """Trigger metadata; `names` are the values of the path's expressions, which win over names of the same spelling."""
    found = {
        "BlobTrigger": TypedData(string=f"{blob.container_name}/{blob.blob_name}"),
        "Uri": TypedData(json=to_json(str(blob.url).partition("?")[0])),
        "Properties": TypedData(json=to_json(_described(properties))),
        "Metadata": TypedData(json=to_json(dict(properties.metadata or {}))),
    }
    spellings = {name.lower(): name for name in found}
    return found | {spellings.get(name.lower(), name): TypedData(string=value) for name, value in names.items()}


def _described(properties: BlobProperties) -> dict[str, object]:
    settings, lease, copy = properties.content_settings, properties.lease, properties.copy
    return {
        "LastModified": _time(properties.last_modified),
        "CreatedOn": _time(properties.creation_time),
        "Metadata": dict(properties.metadata or {}),
        "BlobType": _member(_BLOB_TYPES, properties.blob_type),
        "CopyCompletedOn": _time(copy.completion_time),
        "CopyStatusDescription": copy.status_description,
        "CopyId": copy.id,
        "CopyProgress": copy.progress,
        "CopySource": copy.source,
        "BlobCopyStatus": _member(_COPY_STATUSES, copy.status),
        "LeaseDuration": _member(_LEASE_DURATIONS, lease.duration) or 0,
        "LeaseState": _member(_LEASE_STATES, lease.state) or 0,
        "LeaseStatus": _member(_LEASE_STATUSES, lease.status) or 0,
        "ContentLength": properties.size,
        "ContentType": settings.content_type,
        "ETag": properties.etag,
        "ContentHash": base64.b64encode(settings.content_md5).decode() if settings.content_md5 else None,
        "ContentEncoding": settings.content_encoding,
        "ContentDisposition": settings.content_disposition,
        "ContentLanguage": settings.content_language,
        "CacheControl": settings.cache_control,
        "IsServerEncrypted": bool(properties.server_encrypted),
        "AccessTier": _text(properties.blob_tier),
        "AccessTierInferred": bool(properties.blob_tier_inferred),
        "AccessTierChangedOn": _time(properties.blob_tier_change_time),
        "ArchiveStatus": properties.archive_status,
        "VersionId": properties.version_id,
        "IsLatestVersion": bool(properties.is_current_version),
        "TagCount": properties.tag_count or 0,
    }


def _member(names: tuple[str, ...], value: object) -> int | None:
    """Which of the names it is; none for another."""
    name = _text(value)
    return names.index(name) if name in names else None


def _text(value: Any) -> str | None:
    return None if value is None else str(getattr(value, "value", value))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else date_time_offset(moment)
