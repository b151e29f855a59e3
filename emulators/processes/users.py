"""User ids for servers that refuse root: each its own, so that no other process of this machine has the same.

No entry of the system's user table is needed or made. `nobody` is not such a user: it is shared.
"""

import pwd
import secrets
from pathlib import Path

NOBODY = 65534
# Assigned to nobody by systemd's table of ids (https://systemd.io/UIDS-GIDS/): above containers, below foreign ids.
_FIRST, _LAST = 1_879_048_192, 2_147_352_575
_FEW = 4_096


def unused_uid() -> int:
    """A random user id that no user has and that this user namespace knows."""
    ranges = [(max(first, _FIRST), min(last, _LAST)) for first, last in _known()]
    fitting = next(((first, last) for first, last in ranges if first <= last), None) or _highest()
    while True:
        uid = fitting[0] + secrets.randbelow(fitting[1] - fitting[0] + 1)
        if uid != NOBODY and not _has_name(uid):
            return uid


def _highest() -> tuple[int, int]:
    """In a container with fewer ids: its last ones, without -1 of 16 bits."""
    first, last = max(_known(), key=lambda known: known[1])
    return max(first, last - _FEW, 1), max(first, last - 1, 1)


def _known() -> list[tuple[int, int]]:
    """First and last id of each range of user_namespaces(7)."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    ranges = [(int(first), int(count)) for first, _, count in map(str.split, lines)]
    return [(first, first + count - 1) for first, count in ranges]


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
