"""Queue and blob bindings of function.json as types; which of them a function has needs no storage SDK."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.functions.binding_data import BindingData, has_expressions
from emulators.functions.settings import HOST_STORAGE, SettingsError, resolve

# https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata, and alike for containers
_NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\Z")
_SPECIAL_CONTAINERS = ("$root", "$web", "$logs")


@dataclass(frozen=True)
class QueueTrigger:
    parameter: str
    queue: str
    connection: str
    binary: bool

    service = "queue"


@dataclass(frozen=True)
class BlobTrigger:
    """`path` is `container/pattern`; the pattern's `{names}` become binding data."""

    parameter: str
    path: str
    connection: str
    text: bool

    service = "blob"

    @property
    def container(self) -> str:
        return self.path.partition("/")[0]


@dataclass(frozen=True)
class QueueOutput:
    """A storage queue that a parameter, or `$return`, is sent to; its name may have `{expressions}`."""

    parameter: str
    queue: str
    connection: str

    service = "queue"

    def bound(self, data: BindingData) -> "QueueOutput":
        """With its expressions replaced. Raises BindingError."""
        return replace(self, queue=data.bind(self.queue).lower())

    @property
    def place(self) -> str:
        return self.queue


@dataclass(frozen=True)
class BlobOutput:
    """A blob, `container/name`, that a parameter or `$return` is written to."""

    parameter: str
    path: str
    connection: str

    service = "blob"

    def bound(self, data: BindingData) -> "BlobOutput":
        """With its expressions replaced. Raises BindingError."""
        return replace(self, path=data.bind(self.path))

    @property
    def place(self) -> str:
        return self.path


@dataclass(frozen=True)
class BlobInput:
    """A blob whose content a parameter is given, as text when its `dataType` is string."""

    parameter: str
    path: str
    connection: str
    text: bool

    service = "blob"

    def bound(self, data: BindingData) -> "BlobInput":
        """With its expressions replaced. Raises BindingError."""
        return replace(self, path=data.bind(self.path))


type StorageBinding = QueueTrigger | BlobTrigger | QueueOutput | BlobOutput | BlobInput


def storage_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> QueueTrigger | BlobTrigger:
    """Raises SettingsError."""
    _refuse_sdk_types(binding)
    return _queue_trigger(binding, settings) if binding["type"] == "queueTrigger" else _blob_trigger(binding, settings)


def _queue_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> QueueTrigger:
    return QueueTrigger(
        parameter=binding["name"],
        queue=_named(binding, resolve(str(binding["queueName"]), settings).lower()),
        connection=_connection(binding, settings),
        binary=str(binding.get("dataType", "")).lower() == "binary",
    )


def _blob_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> BlobTrigger:
    if str(binding.get("source") or "").lower() == "eventgrid":
        raise SettingsError(
            f"binding '{binding['name']}' of type 'blobTrigger' is not supported with the source EventGrid, whose "
            "events are not emulated: leave the source out, and the host scans the container"
        )
    path = _path(binding, settings, whole=False)
    if _is_template(binding, path.partition("/")[0]):
        raise SettingsError(f"binding '{binding['name']}': the container in '{path}' cannot have expressions")
    if path.partition("/")[0] not in _SPECIAL_CONTAINERS:
        _named(binding, path.partition("/")[0])
    return BlobTrigger(binding["name"], path, _connection(binding, settings), _is_text(binding))


def queue_output(binding: Mapping[str, Any], settings: Mapping[str, str]) -> QueueOutput:
    """Raises SettingsError."""
    queue = resolve(str(binding["queueName"]), settings)
    return QueueOutput(
        binding["name"],
        queue if _is_template(binding, queue) else _named(binding, queue.lower()),
        _connection(binding, settings),
    )


def blob_output(binding: Mapping[str, Any], settings: Mapping[str, str]) -> BlobOutput:
    """Raises SettingsError."""
    return BlobOutput(binding["name"], _path(binding, settings), _connection(binding, settings))


def blob_input(binding: Mapping[str, Any], settings: Mapping[str, str]) -> BlobInput:
    """Raises SettingsError."""
    _refuse_sdk_types(binding)
    return BlobInput(binding["name"], _path(binding, settings), _connection(binding, settings), _is_text(binding))


def _path(binding: Mapping[str, Any], settings: Mapping[str, str], *, whole: bool = True) -> str:
    """`container/blob`; a trigger may also name a container alone."""
    path = resolve(str(binding.get("path") or ""), settings)
    container, slash, blob = path.partition("/")
    # One expression may stand for the whole path, as in `{data.url}`.
    is_template = _is_template(binding, path)
    if not container or (slash and not blob) or (whole and not slash and not is_template):
        raise SettingsError(f"binding '{binding['name']}': the path '{path}' must be in the format 'container/blob'")
    return path


def _is_text(binding: Mapping[str, Any]) -> bool:
    return str(binding.get("dataType", "")).lower() == "string"


def _is_template(binding: Mapping[str, Any], text: str) -> bool:
    try:
        return has_expressions(text)
    except SettingsError as error:
        raise SettingsError(f"binding '{binding['name']}': {error}") from error


def _named(binding: Mapping[str, Any], name: str) -> str:
    if not _NAME.match(name):
        raise SettingsError(
            f"binding '{binding['name']}': '{name}' is no name of a queue or container: 3 to 63 lower-case letters, "
            "digits and single hyphens"
        )
    return name


def _connection(binding: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    return resolve(str(binding.get("connection") or HOST_STORAGE), settings)


def _refuse_sdk_types(binding: Mapping[str, Any]) -> None:
    if str((binding.get("properties") or {}).get("SupportsDeferredBinding", "")).lower() == "true":
        raise SettingsError(
            f"binding '{binding['name']}' of type '{binding['type']}' is not supported with a type of the storage SDK "
            "(azurefunctions-extensions-bindings): take func.InputStream, func.QueueMessage, str or bytes"
        )
