"""App settings, host.json and the expressions that refer to them.

Rules: a real environment variable wins over local.settings.json; `%NAME%` must resolve; host.json may
be overridden by `AzureFunctionsJobHost__a__b` (https://learn.microsoft.com/azure/azure-functions/functions-host-json).
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

HOST_STORAGE = "AzureWebJobsStorage"
"""The setting of the storage account that bindings use unless they name another, and the host itself."""
_TIME_SPAN = re.compile(
    r"^(?P<sign>-)?(?:(?P<d>\d+)\.)?(?P<h>\d{1,2}):(?P<m>\d{1,2})(?::(?P<s>\d{1,2})(?:\.(?P<f>\d{1,7}))?)?$"
)
_SETTING = re.compile(r"%([^%]+)%")
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_OVERRIDE_PREFIX = "AzureFunctionsJobHost__"
_DEFAULT_TIMEOUT = timedelta(minutes=30)


class SettingsError(Exception):
    """A settings file or expression is wrong; the message names the file or setting and the remedy."""


@dataclass(frozen=True)
class LocalSettings:
    """local.settings.json: `values` become environment variables; `host` is the local web server's part."""

    values: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HostJson:
    """host.json with overrides applied; sections are read by path."""

    document: Mapping[str, Any]

    def section(self, *path: str) -> Mapping[str, Any]:
        """The object at `path`, empty when absent. Raises SettingsError when it is no object."""
        found: Any = self.document
        for name in path:
            found = found.get(name, {})
            if not isinstance(found, Mapping):
                raise SettingsError(f"host.json: '{'.'.join(path)}' must be an object")
        return dict(found)

    @property
    def route_prefix(self) -> str:
        return _as_text(self.section("extensions", "http").get("routePrefix", "api")).strip("/")

    @property
    def custom_headers(self) -> Mapping[str, str]:
        """Headers of every answer."""
        return {name: _as_text(value) for name, value in self.section("extensions", "http", "customHeaders").items()}

    @property
    def function_timeout_s(self) -> float | None:
        """Seconds an invocation may take; None without bound (`-1`)."""
        value = self.document.get("functionTimeout")
        if value is None:
            return _DEFAULT_TIMEOUT.total_seconds()
        span = -timedelta.resolution if str(value) == "-1" else parse_time_span(str(value))
        return span.total_seconds() if span > timedelta() else None


def parse_time_span(text: str) -> timedelta:
    """A .NET TimeSpan, `[d.]hh:mm[:ss[.fffffff]]`. Raises SettingsError."""
    match = _TIME_SPAN.match(text.strip())
    if match is None:
        raise SettingsError(f"'{text}' is not a TimeSpan such as 00:05:00")
    days, hours, minutes, seconds = (int(match[part] or 0) for part in "dhms")
    if hours > 23 or minutes > 59 or seconds > 59:
        raise SettingsError(
            f"'{text}' is not a TimeSpan: hours go to 23, minutes and seconds to 59; days come first, as in 1.00:00:00"
        )
    span = timedelta(
        days=days,
        hours=hours,
        minutes=minutes,
        seconds=seconds,
        microseconds=int((match["f"] or "0").ljust(7, "0")) // 10,
    )
    return -span if match["sign"] else span


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """`text` with each `%NAME%` replaced by its app setting. Raises SettingsError for an unknown one."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in settings:
            raise SettingsError(f"'%{name}%' does not resolve to a value: add '{name}' to the app settings")
        return settings[name]

    return _SETTING.sub(value, text)


def connection_setting(name: str, settings: Mapping[str, str]) -> str | None:
    """The connection string that a binding's `connection` names, looked up as the WebJobs SDK does."""
    for candidate in (f"AzureWebJobs{name}", name, f"ConnectionStrings:{name}", f"ConnectionStrings__{name}"):
        if settings.get(candidate):
            return settings[candidate]
    return None


def load_local_settings(app: Path, override: Path | None) -> LocalSettings:
    """Read the settings file, made from its sample if only that exists. Raises SettingsError."""
    path = override or app / "local.settings.json"
    sample = path.with_name("local.settings.sample.json")
    if not path.exists():
        if override is not None and not sample.exists():
            raise SettingsError(f"settings file {path} does not exist")
        if not sample.exists():
            return LocalSettings()
        _copy_whole(sample, path)
    document = _read_json(path)
    if document.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted: run 'func settings decrypt' or set IsEncrypted to false")
    host = _object(path, document, "Host")
    if not isinstance(host.get("CORS", ""), str):
        raise SettingsError(f'{path}: Host.CORS must be a string such as "http://localhost:3000,http://localhost:5173"')
    return LocalSettings(_flat_values(path, document), host)


def _object(path: Path, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, Mapping):
        raise SettingsError(f"{path}: {name} must be an object")
    return found


def _copy_whole(sample: Path, path: Path) -> None:
    unfinished = path.with_name(path.name + ".new")
    try:
        shutil.copyfile(sample, unfinished)
        unfinished.rename(path)
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}; make the folder writable or pass --settings"
        ) from error


def _flat_values(path: Path, document: Mapping[str, Any]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in _object(path, document, "Values").items():
        if isinstance(value, dict | list):
            raise SettingsError(f"{path}: Values.{name} must be a string; write nested settings as {name}__key")
        values[name] = _as_text(value)
    for name, value in _object(path, document, "ConnectionStrings").items():
        text = value.get("ConnectionString") if isinstance(value, dict) else value
        values[f"ConnectionStrings__{name}"] = _as_text(text)
    for name, text in values.items():
        if not name or "=" in name or "\0" in name + text:
            raise SettingsError(f"{path}: {name!r} and its value cannot be an environment variable")
    return values


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def apply_to_environment(local: LocalSettings) -> None:
    """Make app settings environment variables, as Azure does; what is set already stays."""
    for name, value in local.values.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")


def load_host_json(app: Path, settings: Mapping[str, str]) -> HostJson:
    """host.json of the app with environment overrides; defaults when missing. Raises SettingsError."""
    path = app / "host.json"
    document = _read_json(path) if path.exists() else {"version": "2.0"}
    if "version" not in document:
        raise SettingsError(
            f"The {path} file is missing the required 'version' property. "
            "See https://aka.ms/functions-hostjson for steps to migrate the configuration file."
        )
    if document["version"] != "2.0":
        raise SettingsError(
            f"'{document['version']}' is an invalid value for {path} 'version' property. "
            "We recommend you set the 'version' property to '2.0'. See https://aka.ms/functions-hostjson."
        )
    for name, value in settings.items():
        if name.startswith(_OVERRIDE_PREFIX):
            _override(document, name.removeprefix(_OVERRIDE_PREFIX).split("__"), value)
    return HostJson(document)


def _override(document: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    try:
        document[path[-1]] = json.loads(value)
    except ValueError:
        document[path[-1]] = value


def _read_json(path: Path) -> dict[str, Any]:
    """The file's JSON object; comments and a comma after the last member do not count, as in .NET."""
    try:
        text = path.read_text("utf-8-sig")
        for ignored in (_COMMENT, _LAST_COMMA):
            text = ignored.sub(lambda match: match[1] or "", text)
        document = json.loads(text)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} must hold a JSON object")
    return document
