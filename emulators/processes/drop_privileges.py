"""Run a command that ends when its parent ends: `SIGNAL UID PARENT_PID COMMAND...`.

Root alone drops to UID (unless UID is 0), because PostgreSQL refuses root. It keeps CAP_DAC_OVERRIDE as
an ambient capability, so that a checkout under root's private home stays usable without creating users
or changing permissions (capabilities(7), prctl(2)). What a container forbids is said in one sentence.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import NoReturn

EXIT_REFUSED = 77  # sysexits.h, EX_NOPERM: the reason is on standard error

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 28, 47, 2
# access(2), with which PostgreSQL checks its own programs, otherwise forgets the capabilities of a plain user.
_SECBIT_NO_SETUID_FIXUP = 4
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _drop_root(libc: ctypes.CDLL, uid: int) -> None:
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        _refuse(f"root may not become user {uid} here ({error.strerror}), and PostgreSQL refuses to run as root")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    mask = 1 << _CAP_DAC_OVERRIDE
    # effective, permitted and inheritable, then the same for capabilities above 31 (none)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if libc.capset(header, data) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
    else:
        libc.capset(header, (ctypes.c_uint32 * 6)())


def _check_reachable(uid: int, command: list[str]) -> None:
    """Absolute paths among the arguments must be reachable for the user that root became."""
    for argument in command:
        path = argument.partition("=")[2] if argument.startswith("--") else argument
        try:
            if path.startswith("/"):
                Path(path).stat()
        except PermissionError:
            _refuse(f"root becomes user {uid} to run PostgreSQL, and that user cannot reach {path}")
        except FileNotFoundError:
            continue  # the command says better than we could what it misses


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(
        f"{reason}: run as an ordinary user, or grant CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_DAC_OVERRIDE\n"
    )
    sys.exit(EXIT_REFUSED)


def main(arguments: list[str]) -> None:
    """Replace this process by the command."""
    death_signal, uid, parent = (int(argument) for argument in arguments[:3])
    command = arguments[3:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if os.geteuid() == 0 and uid != 0:
            _drop_root(libc, uid)
            _check_reachable(uid, command)
        # Changing the user clears it, so it comes last; the parent may have ended before.
        libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent ended before the command started")
    os.execv(command[0], command)  # noqa: S606 - replacing this process is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
