"""Access keys: made at first run, kept in the data folder, compared in constant time.

`master` opens everything, `function` keys open functions, `system` keys open one extension's webhooks
(https://learn.microsoft.com/azure/azure-functions/function-keys-how-to).
"""

import fcntl
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from pathlib import Path

from emulators.functions.definitions import AuthLevel
from emulators.functions.settings import SettingsError

_MASTER, _HOST, _DURABLE_KEY = "_master", "default", "durabletask_extension"


@dataclass(frozen=True)
class Keys:
    """All keys of one app as they stand in `keys.json`; unless they are `required`, no key opens everything too."""

    master: str
    host: str
    durable: str
    functions: Mapping[str, str]
    required: bool = True

    @classmethod
    def load(cls, data: Path, functions: Iterable[str] = (), *, required: bool = True) -> "Keys":
        """Read the keys, making those that are missing; safe between processes. Raises SettingsError."""
        path = data / "keys.json"
        try:
            data.mkdir(parents=True, exist_ok=True)
            with (data / "keys.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                return replace(cls._read_and_complete(path, functions), required=required)
        except OSError as error:
            raise SettingsError(f"cannot keep keys in {path}: {error.strerror}; choose a folder with --data") from error
        except (ValueError, AttributeError) as error:
            raise SettingsError(f"{path} is damaged: delete it to have new keys made") from error

    @classmethod
    def _read_and_complete(cls, path: Path, functions: Iterable[str]) -> "Keys":
        before = path.read_text() if path.exists() else "{}"
        document = json.loads(before)
        keys = cls(
            master=_ensure(document, "masterKey", _MASTER),
            host=_ensure(document, "functionKeys", _HOST),
            durable=_ensure(document, "systemKeys", _DURABLE_KEY),
            functions={name: _ensure(document, "functions", name) for name in functions},
        )
        _replace(path, before, json.dumps(document, indent=2))
        return keys

    def opens(self, key: str, level: AuthLevel, function: str) -> bool:
        """Whether `key` is enough for an HTTP function of that level."""
        if level is AuthLevel.ANONYMOUS or self.is_master(key):
            return True
        own = self.functions.get(function)
        return level is AuthLevel.FUNCTION and (_same(key, self.host) or (own is not None and _same(key, own)))

    def is_master(self, key: str) -> bool:
        return not self.required or _same(key, self.master)

    def opens_webhook(self, key: str) -> bool:
        """Whether `key` is enough for the Durable extension's webhooks."""
        return self.is_master(key) or _same(key, self.durable)


def _ensure(document: dict[str, dict[str, str]], kind: str, name: str) -> str:
    return document.setdefault(kind, {}).setdefault(name, secrets.token_urlsafe(40))


def _replace(path: Path, before: str, after: str) -> None:
    if before != after:
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(after)
        unfinished.rename(path)


def _same(given: str, expected: str) -> bool:
    return compare_digest(given.encode("utf-8", "replace"), expected.encode())
