"""Log files that processes write to without knowing how long they are."""

import errno
import os
import shutil
from pathlib import Path
from typing import BinaryIO

_LARGEST = 8_000_000
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def private_log(log: Path) -> BinaryIO:
    """The file to append to, readable by its owner alone: servers log statements. Raises OSError."""
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def rotate(log: Path, largest: int = _LARGEST) -> bool:
    """Move what a file over the bound holds to `NAME.1` and empty it; whether that was done.

    Its writers keep the file open and append to it (O_APPEND), so it is emptied, never renamed; a line that is
    written between the two steps is lost. Without room for the copy the file stays as it is: it cannot grow either.
    Raises OSError.
    """
    if not log.exists() or log.stat().st_size <= largest:
        return False
    unfinished = log.with_name(f"{log.name}.new")
    try:
        shutil.copyfile(log, unfinished)
        unfinished.chmod(log.stat().st_mode & 0o777)
        unfinished.rename(log.with_name(f"{log.name}.1"))
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    with log.open("r+b") as file:
        file.truncate(0)
    return True
