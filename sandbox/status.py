"""run.json, which says what runs: for `status`, for the test harness, for people."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.files import write_json

_RETRY_S = 0.5


class Status:
    """The file's content; nothing that changes it depends on whether it can be written at that moment."""

    def __init__(self, file: Path, problem: Callable[[str], None], **content: Any) -> None:
        self._file = file
        self._problem = problem
        self._content: dict[str, Any] = {"state": "starting", "pid": os.getpid(), **content, "parts": {}}
        self._is_behind = False

    @property
    def parts(self) -> Mapping[str, int | None]:
        """Process id of each part, None while it is down."""
        parts: Mapping[str, int | None] = self._content["parts"]
        return parts

    def state(self, state: str) -> None:
        """`starting`, `serving`, `stopping` or `stopped`."""
        self._content["state"] = state
        self._write()

    def changed(self, parts: Mapping[str, int | None]) -> None:
        """The parts' process ids."""
        self._content["parts"] = dict(parts)
        self._write()

    async def catch_up(self) -> None:
        """For ever: write again what could not be written."""
        while True:
            await asyncio.sleep(_RETRY_S)
            if self._is_behind:
                self._write()

    def _write(self) -> None:
        try:
            write_json(self._file, self._content)
        except OSError as error:
            if not self._is_behind:
                self._problem(f"{self._file} cannot be written now: {error.strerror}.")
            self._is_behind = True
        else:
            self._is_behind = False
