"""When storage counts as configured, and the import of the parts that need the azure-storage SDKs.

A binding's connection is configured when its app setting holds a connection string; an app with queue or blob bindings
starts when their services answer. Timers go to `AzureWebJobsStorage` when it names an account, and for
`UseDevelopmentStorage=true` only when Azurite answers: settings made from a template say that everywhere.
"""

import asyncio
import hashlib
import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from emulators.functions.definitions import FunctionDefinition, TimerTrigger
from emulators.functions.environments import check_version
from emulators.functions.indexing import IndexingError
from emulators.functions.settings import HOST_STORAGE, HostJson, SettingsError, parse_time_span
from emulators.functions.storage.accounts import StorageAccount, storage_account
from emulators.functions.storage_bindings import (
    BlobInput,
    BlobOutput,
    BlobTrigger,
    QueueOutput,
    QueueTrigger,
    StorageBinding,
)

_PATIENCE_S = 5.0
_CONNECT_S = 1.0
_LOCK_PERIOD = "00:01:00"
_HOST_ID = "AzureFunctionsWebHost__hostid"
_REMEDY = "start Azurite (npx azurite), or set '{setting}' to the connection string of a storage account"


def storage_parts() -> ModuleType:
    """This host's storage part, whose SDKs only apps that use it need. Raises SettingsError."""
    for name in ("azure-storage-blob", "azure-storage-queue"):
        check_version(name)
    try:
        return importlib.import_module("emulators.functions.storage.host")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("azure"):
            raise
        raise SettingsError(
            "queue and blob storage need the azure-storage-queue and azure-storage-blob SDKs in the host's "
            f"environment: {sys.executable} -m pip install azure-storage-queue azure-storage-blob"
        ) from error


def storage_bindings(function: FunctionDefinition) -> Iterator[StorageBinding]:
    """The function's queue and blob bindings."""
    if isinstance(function.trigger, QueueTrigger | BlobTrigger):
        yield function.trigger
    yield from function.blob_inputs
    for output in function.outputs:
        if isinstance(output, QueueOutput | BlobOutput):
            yield output


def uses_storage(functions: Sequence[FunctionDefinition]) -> bool:
    """Whether any of the functions has a queue or blob binding."""
    return any(True for function in functions for _ in storage_bindings(function))


def check_storage(function: FunctionDefinition, settings: Mapping[str, str], host_json: HostJson) -> None:
    """Find what would fail later, now. Raises SettingsError naming the binding."""
    for binding in storage_bindings(function):
        try:
            storage_account(binding.connection, settings)
            if isinstance(binding, BlobTrigger):
                storage_account(HOST_STORAGE, settings)
            storage_parts().check_options(host_json)
        except SettingsError as error:
            raise SettingsError(f"binding '{binding.parameter}' of type '{binding_type(binding)}': {error}") from error


def binding_type(binding: StorageBinding) -> str:
    """As function.json has it."""
    match binding:
        case QueueTrigger():
            return "queueTrigger"
        case BlobTrigger():
            return "blobTrigger"
        case QueueOutput():
            return "queue"
        case BlobOutput() | BlobInput():
            return "blob"


async def wait_for_storage(functions: Sequence[FunctionDefinition], settings: Mapping[str, str]) -> None:
    """Wait for the services that the functions need, some seconds. Raises IndexingError when one does not answer."""
    needs: dict[tuple[str, str], tuple[FunctionDefinition, StorageBinding]] = {}
    for function in functions:
        for binding in storage_bindings(function):
            places = [(binding.connection, binding.service)]
            if isinstance(binding, BlobTrigger):
                places += [(HOST_STORAGE, "blob"), (HOST_STORAGE, "queue")]
            for place in places:
                needs.setdefault(place, (function, binding))
    accounts = [(storage_account(setting, settings), service) for setting, service in needs]
    parts = storage_parts() if accounts else None
    reasons = await asyncio.gather(*(parts.why_silent(*one, _PATIENCE_S) for one in accounts)) if parts else []
    for reason, (setting, _), (function, binding) in zip(reasons, needs, needs.values(), strict=True):
        if reason:
            raise IndexingError(
                f"Function '{function.name}': binding '{binding.parameter}' of type '{binding_type(binding)}' needs "
                f"storage, and {reason}: {_REMEDY.format(setting=setting)}"
            )


async def timers_in_storage(functions: Sequence[FunctionDefinition], settings: Mapping[str, str]) -> bool:
    """Whether the timers of an app are kept in its storage account. Raises SettingsError without the SDKs."""
    if not any(isinstance(function.trigger, TimerTrigger) for function in functions):
        return False
    try:
        account = storage_account(HOST_STORAGE, settings)
    except SettingsError:
        return False
    if not account.is_development:
        storage_parts()
        return True
    return await _listens(account) and await _answers(account)


async def _listens(account: StorageAccount) -> bool:
    """Loading the SDK to ask a port where nothing listens would slow each start."""
    address = urlsplit(account.endpoint("blob"))
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
    except OSError:
        return False
    writer.close()
    return True


async def _answers(account: StorageAccount) -> bool:
    try:
        reason: str = await storage_parts().why_silent(account, "blob", 0)
    except SettingsError:
        return False
    return not reason


def lock_period_s(host_json: HostJson) -> int:
    """host.json's `singleton.listenerLockPeriod`: how long a dead host keeps its timers. Raises SettingsError."""
    period = parse_time_span(str(host_json.section("singleton").get("listenerLockPeriod", _LOCK_PERIOD)))
    if not timedelta(seconds=15) <= period <= timedelta(seconds=60):
        raise SettingsError("host.json: singleton.listenerLockPeriod must be a TimeSpan from 00:00:15 to 00:01:00")
    return round(period.total_seconds())


def storage_host_id(app: Path) -> str:
    """The name under which this host keeps things in storage: the setting that Azure uses, or one of the app's folder.

    Other apps may share the account, so the folder's path counts; queue names allow lower case, digits and hyphens.
    """
    given = os.environ.get(_HOST_ID)
    name = given or f"{app.name[:20]}-{hashlib.sha256(str(app.resolve()).encode()).hexdigest()[:8]}"
    return re.sub(r"-+", "-", re.sub(r"[^a-z0-9-]", "-", name.lower())).strip("-")[:32].strip("-") or "app"
