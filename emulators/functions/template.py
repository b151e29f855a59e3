"""The process that the groups are forked from: it has imported what each of them needs, and does nothing else.

It loads neither the app nor any of its modules, opens no connection and starts no thread: a fork would copy half of
them. If something that it imported did, it says so and is not used. Each fork is handed to the supervisor, whose child
it becomes, and goes on as a group process that was started by its own command would.
"""

import gc
import importlib
import json
import os
import socket
import stat
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from emulators.functions.group import end_with, run_group
from emulators.functions.group_options import GroupOptions
from emulators.functions.settings import SettingsError, apply_to_environment, load_local_settings
from emulators.functions.worker import RUNTIME, search_modules_in
from emulators.processes.orphans import fork_orphan, show_command

_LONGEST_REQUEST = 64 * 1024


@dataclass(frozen=True)
class _Surroundings:
    """What a process of its own would find, before this one changed it."""

    environment: dict[str, str]
    path: list[str]
    finders: list[Any]

    def restore(self) -> None:
        os.environ.clear()
        os.environ.update(self.environment)
        sys.path[:] = self.path
        sys.meta_path[:] = self.finders


def run_template(options: GroupOptions, modules: Sequence[str]) -> NoReturn:
    """Import, then fork whenever the supervisor asks; never returns."""
    end_with(options.parent)
    before = _Surroundings(dict(os.environ), list(sys.path), list(sys.meta_path))
    control = socket.socket(fileno=options.channel_fd)
    obstacle = _import(options, modules) or _obstacle(control)
    gc.freeze()  # what the forks share stays shared
    control.send(json.dumps({"obstacle": obstacle}).encode())
    while not obstacle:
        request, descriptors, _, _ = socket.recv_fds(control, _LONGEST_REQUEST, 2)
        if not request:
            break
        _fork(options, json.loads(request), descriptors, control, before)
    os._exit(0)


def _import(options: GroupOptions, modules: Sequence[str]) -> str:
    """Import under the app's settings and search path, because modules read both; why that failed."""
    try:
        apply_to_environment(load_local_settings(options.app, options.settings))
        search_modules_in(options.app)
    except SettingsError:
        return ""  # each group finds it too, and says so
    for module in (RUNTIME, *modules):
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever a module raises
            return f"{module} cannot be imported: {error!r}"
    return ""


def _obstacle(control: socket.socket) -> str:
    """What forbids to fork this process."""
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return "an imported module has started a thread"
    sockets = [fd for fd in _descriptors() if fd > sys.stderr.fileno() and fd != control.fileno() and _is_socket(fd)]
    return "an imported module has opened a connection" if sockets else ""


def _descriptors() -> list[int]:
    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False  # the one that listed them


def _fork(
    options: GroupOptions,
    request: dict[str, Any],
    descriptors: list[int],
    control: socket.socket,
    before: _Surroundings,
) -> None:
    pid = fork_orphan()
    if pid is not None:
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(json.dumps({"pid": pid}).encode())
        return
    try:
        control.close()
        os.setsid()
        before.restore()
        show_command(request["command"])
        channel, *listener = descriptors
        run_group(
            replace(options, group=request["group"], channel_fd=channel, listen_fd=listener[0] if listener else None)
        )
    except BaseException:  # noqa: BLE001 - this process may not go on as a second template
        traceback.print_exc()
    finally:
        os._exit(1)
