"""Signing keys: RSA 2048 in PEM files that only their owner may read, made at first run and kept.

Every key of the folder is published; the newest signs. Rotation adds a key, so tokens signed by the
previous one stay valid until its file is removed. A key's id is its RFC 7638 thumbprint.
"""

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class KeyStoreError(Exception):
    """The key folder cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class SigningKey:
    """One RSA key pair and its id."""

    kid: str
    private: rsa.RSAPrivateKey

    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 7517), with the members that Entra sends."""
        return {"use": "sig", "kid": self.kid, **_public_members(self.private)}


@dataclass(frozen=True)
class KeyStore:
    """The keys of one folder, oldest first."""

    folder: Path
    keys: tuple[SigningKey, ...]

    @classmethod
    def open(cls, folder: Path, *, rotate: bool = False) -> "KeyStore":
        """Load the keys, making the first one (or one more, to rotate). Raises KeyStoreError."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            files = sorted(folder.glob("*.pem"))
            if rotate or not files:
                files.append(_make(folder, len(files) + 1))
            return cls(folder, tuple(_load(path) for path in files))
        except OSError as error:
            raise KeyStoreError(f"{error.filename or folder} cannot be used: {error.strerror}") from error

    @property
    def signing(self) -> SigningKey:
        """The newest key."""
        return self.keys[-1]


def _make(folder: Path, number: int) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{number:04d}.pem"
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    return path


def _load(path: Path) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise KeyStoreError(f"{path} is damaged: delete it and a new key is made at the next start") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyStoreError(f"{path} is not an RSA key: delete it and a new key is made at the next start")
    thumbprint = hashlib.sha256(json.dumps(_public_members(key), sort_keys=True, separators=(",", ":")).encode())
    return SigningKey(_base64url(thumbprint.digest()), key)


def _public_members(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}


def _unsigned(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
