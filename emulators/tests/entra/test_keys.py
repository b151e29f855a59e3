"""Signing keys outlive the process, stay private and can be rotated."""

import stat
from pathlib import Path

import pytest

from emulators.entra.keys import KeyStore, KeyStoreError


def test_keys_survive_a_restart_unchanged(data_folder: Path) -> None:
    first = KeyStore.open(data_folder)

    assert KeyStore.open(data_folder).signing.kid == first.signing.kid


def test_only_the_owner_may_read_keys(data_folder: Path) -> None:
    KeyStore.open(data_folder)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in data_folder.glob("*.pem")}

    assert modes == {0o600}


def test_rotation_signs_anew_and_publishes_both(data_folder: Path) -> None:
    old = KeyStore.open(data_folder)

    rotated = KeyStore.open(data_folder, rotate=True)

    assert rotated.signing.kid != old.signing.kid
    assert [key.kid for key in rotated.keys] == [old.signing.kid, rotated.signing.kid]


def test_a_half_written_key_is_made_again(data_folder: Path) -> None:
    data_folder.mkdir()
    (data_folder / "0001.new").write_text("cut sho")

    assert len(KeyStore.open(data_folder).keys) == 1


def test_a_damaged_key_is_named_with_remedy(data_folder: Path) -> None:
    KeyStore.open(data_folder)
    (data_folder / "0001.pem").write_text("garbage")

    with pytest.raises(KeyStoreError, match=r"0001\.pem is damaged: delete it"):
        KeyStore.open(data_folder)


def test_a_public_key_never_shows_private_numbers(data_folder: Path) -> None:
    jwk = KeyStore.open(data_folder).signing.jwk()

    assert set(jwk) == {"use", "kid", "kty", "n", "e"}
