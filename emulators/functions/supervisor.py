"""The parent process: one child a group, restarted when it dies; PostgreSQL when the app needs it.

It imports neither the app nor any SDK, so it stays small. It holds the listening socket, so that while
the http group restarts connections wait instead of being refused.
"""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.functions.children import Child, Nursery
from emulators.functions.console import KEYS_HINT, described, needs_keys, report, say, warn
from emulators.functions.settings import SettingsError, load_local_settings
from emulators.functions.sockets import bind
from emulators.functions.watching import Watcher
from emulators.processes.background import persistently
from emulators.processes.postgres import PostgresError, PostgresServer, keep_running

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0
_STEADY_S = 30.0
_CHANGES_CHECK_S = 0.5
_KILL_MARGIN_S = 5.0
_RELOAD_DRAIN_S = 5.0
_HTTP, _REST = "http", "rest"
_DATABASE = "functions_host"
_ROOT = Path(__file__).parents[2]


class HostError(Exception):
    """The host cannot start; the message names the remedy."""


@dataclass(frozen=True)
class HostOptions:
    """The command line."""

    app: Path
    host: str
    port: int
    mode: str
    settings: Path | None
    database: str | None
    data: Path
    webhook_host: str | None
    log_level: str | None
    body_limit: int
    drain_s: float
    watch: bool = False
    preload: Sequence[str] = ()
    refuse_after_ms: int | None = None
    no_keys: bool = False

    def public_url(self, port: int) -> str:
        """Where clients reach this host."""
        if self.webhook_host:
            address = self.webhook_host.rstrip("/")
            return address if "://" in address else f"http://{address}"
        name = "127.0.0.1" if self.host in ("", "0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class Supervisor:
    """Starts the groups, keeps them running, ends them.

    What keeps them running goes on whatever fails: an exception in it is reported, and it is done again.
    """

    def __init__(self, options: HostOptions) -> None:
        self._options = options
        self._children: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._failure: HostError | None = None
        self._index: dict[str, Any] | None = None
        self._postgres: PostgresServer | None = None
        self._postgres_kept: asyncio.Task[None] | None = None
        self._database: str | None = options.database
        self._announced = False
        self._began = time.monotonic()
        self._watcher = Watcher(options.app, options.settings) if options.watch and options.app.is_dir() else None
        self._version = 0
        self._complained = False

    async def run(self) -> None:
        """Serve until a signal comes. Raises HostError when the app cannot start."""
        self._prepare()
        self._handle_signals()
        self._listener = self._bind()
        self._public_url = self._options.public_url(self._listener.getsockname()[1])
        environment = {**os.environ, "WEBSITE_HOSTNAME": self._public_url.partition("://")[2]}
        self._nursery = Nursery(self._words(), environment, self._options.preload)
        try:
            for group in self._known_groups():
                self._start_keeping(group)
            await persistently(self._follow_changes, report)
        finally:
            await self._end()
        if self._failure is not None:
            raise self._failure

    def _prepare(self) -> None:
        if not self._options.app.is_dir():
            raise HostError(f"{self._options.app} is not a folder: pass the folder of function_app.py with --app")
        try:
            load_local_settings(self._options.app, self._options.settings)
            self._options.data.mkdir(parents=True, exist_ok=True)
        except SettingsError as error:
            raise HostError(str(error)) from error
        except OSError as error:
            raise HostError(
                f"cannot write {self._options.data}: {error.strerror}; choose a folder with --data"
            ) from error

    def _known_groups(self) -> tuple[str, ...]:
        """Those to start before the app is read: in flex the ones it had last time, so that all start at once."""
        if self._options.mode != "flex":
            return (_HTTP, _REST)
        try:
            remembered = json.loads(self._groups_file.read_text())
        except (OSError, ValueError):
            return (_HTTP,)
        return (_HTTP, *(name for name in remembered if name != _HTTP))

    @property
    def _groups_file(self) -> Path:
        return self._options.data / "groups.json"

    def _bind(self) -> socket.socket:
        try:
            listener = bind(self._options.host, self._options.port)
            listener.listen(2048)
        except OSError as error:
            raise HostError(
                f"Port {self._options.port} is unavailable ({error.strerror}). Close the process using that port, "
                "or specify another port using --port"
            ) from error
        return listener

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_or_end, number)

    def _stop_or_end(self, number: signal.Signals) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            return
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        os._exit(128 + number)

    def _start_keeping(self, group: str) -> None:
        if group not in self._tasks:
            self._tasks[group] = asyncio.create_task(persistently(lambda: self._keep(group), report), name=group)

    async def _follow_changes(self) -> None:
        """Now and then: with --watch, load the app again when its files changed. Returns when the host is to stop."""
        while not self._stopping.is_set():
            await self._pause(_CHANGES_CHECK_S)
            self._reload_changes()
            postgres = self._postgres.process if self._postgres is not None else None
            self._nursery.bury_orphans([postgres.pid] if postgres is not None else [])

    async def _keep(self, group: str) -> None:
        """Run a group again and again, with a growing pause when it keeps dying."""
        pause_s = 0.0
        was_ready = False
        while not self._stopping.is_set():
            child = await self._spawn(group)
            if self._stopping.is_set():
                child.signal(signal.SIGTERM)
            await self._follow(child)
            code = await child.process.wait()
            was_ready = was_ready or child.ready
            if self._stopping.is_set() or self._is_superfluous(group):
                # A later version of the app may have the group again.
                self._tasks.pop(group, None)
                return
            if child.replaced:
                pause_s = 0.0
                continue
            self._note_death(child, code, fatal=not was_ready)
            if time.monotonic() - child.started > _STEADY_S:
                pause_s = 0.0
            await self._before_next(child, pause_s)
            pause_s = min(max(pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)

    async def _before_next(self, child: Child, pause_s: float) -> None:
        """Pause; with --watch, an app that cannot start waits for its next version."""
        version = self._version
        await self._pause(pause_s)
        while self._watcher is not None and child.failure is not None and version == self._version:
            if self._stopping.is_set():
                return
            await self._pause(_FIRST_PAUSE_S)

    def _reload_changes(self) -> None:
        """With --watch, replace all groups when the app's files changed."""
        changed = self._watcher.changed() if self._watcher is not None else []
        if not changed or self._stopping.is_set():
            return
        say(f"{', '.join(changed[:3])}{' and others' * (len(changed) > 3)} changed: the app is loaded again.")
        self._version += 1
        self._index = None
        self._nursery.end_template()  # it may have imported under other settings
        self._announced = self._complained = False
        self._began = time.monotonic()
        for child in self._children.values():
            child.replaced = True
            child.signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(_RELOAD_DRAIN_S, child.signal, signal.SIGKILL)

    def _is_superfluous(self, group: str) -> bool:
        return self._index is not None and group not in self._index["groups"]

    def _note_death(self, child: Child, code: int, *, fatal: bool) -> None:
        reason = child.how_it_ended(code)
        if self._watcher is not None and child.failure is not None:
            if not self._complained:  # every group finds the same fault
                warn(f"{reason}\nWaiting for a change.")
            self._complained = True
        elif fatal:
            self._failure = self._failure or HostError(reason)
            self._stopping.set()
        else:
            warn(f"Group '{child.group}' ended ({reason}); it is started again.")
            self._tell_state()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _spawn(self, group: str) -> Child:
        child = await self._nursery.start(group, self._listener if group == _HTTP else None)
        self._children[group] = child
        return child

    def _words(self) -> list[str]:
        """The arguments that all groups share."""
        options = self._options
        words = ["--app", str(options.app), "--groups", options.mode, "--data", str(options.data)]
        words += ["--webhook-host", self._public_url]
        words += ["--body-limit", str(options.body_limit), "--drain-seconds", str(options.drain_s)]
        words += ["--settings", str(options.settings)] if options.settings else []
        words += ["--log-level", options.log_level] if options.log_level else []
        words += ["--refuse-after-ms", str(options.refuse_after_ms)] if options.refuse_after_ms else []
        words += ["--no-keys"] if options.no_keys else []
        return [*words, "--parent", str(os.getpid())]

    async def _follow(self, child: Child) -> None:
        """Listen to a child until it is gone."""
        async for message in child.channel.messages():
            match message["event"]:
                case _ if child.replaced:
                    continue  # it speaks of an earlier version of the app
                case "indexed":
                    self._learn(message)
                    self._let_start(child)
                case "ready":
                    child.ready = True
                    self._tell_state()
                case "failed":
                    child.failure = message
        child.channel.close()

    def _learn(self, message: dict[str, Any]) -> None:
        if self._index is None:
            self._index = message
            self._remember_groups(list(message["groups"]))
        if message["needs_database"] and self._database is None:
            self._start_postgres()
        for group in self._index["groups"]:
            self._start_keeping(group)

    def _remember_groups(self, groups: list[str]) -> None:
        try:
            self._groups_file.write_text(json.dumps(groups))
        except OSError as error:
            warn(f"{self._groups_file} cannot be written ({error.strerror}): the next start will take longer.")

    def _let_start(self, child: Child) -> None:
        if self._stopping.is_set() or self._is_superfluous(child.group):
            child.signal(signal.SIGTERM)
        else:
            child.channel.send(
                "start",
                database=self._database or "",
                # Decided once: timers must not be in two places when storage comes or goes.
                timers_in_storage=bool(self._index and self._index["timers_in_storage"]),
            )

    def _start_postgres(self) -> None:
        # On the main thread: the server ends with the thread that started it.
        try:
            self._postgres = PostgresServer.start(self._options.data / "postgres")
            self._database = self._postgres.create_database(_DATABASE)
            self._postgres_kept = asyncio.create_task(keep_running(self._postgres, warn), name="postgres")
        except PostgresError as error:
            self._failure = HostError(str(error))
            self._stopping.set()

    def _tell_state(self) -> None:
        state = "Running" if self._all_ready() else "Starting"
        for child in self._children.values():
            child.channel.send("state", state=state)
        if state == "Running" and not self._announced:
            self._announced = True
            self._announce()

    def _all_ready(self) -> bool:
        if self._index is None:
            return False
        children = [self._children.get(group) for group in self._index["groups"]]
        return all(child is not None and child.ready and child.process.returncode is None for child in children)

    def _announce(self) -> None:
        assert self._index is not None
        say("\nFunctions:\n")
        functions, needed = self._index["functions"], not self._options.no_keys
        for function in functions:
            say(f"        {described(function, keys=needed)}")
        say("")
        if needed and needs_keys(functions):
            say(KEYS_HINT.format(file=self._options.data / "keys.json"))
        groups = ", ".join(self._index["groups"])
        seconds = time.monotonic() - self._began
        say(f"Host ready at {self._public_url} in {seconds:.2f} s (processes: {groups}). Press Ctrl+C to stop.")

    async def _end(self) -> None:
        """Drain the children within the bound, then PostgreSQL."""
        self._listener.close()
        self._nursery.end_template()
        for child in self._children.values():
            child.signal(signal.SIGTERM)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=self._options.drain_s + _KILL_MARGIN_S)
            for child in self._children.values():
                child.signal(signal.SIGKILL)
            if late:
                await asyncio.wait(late)
        if self._postgres is not None and self._postgres_kept is not None:
            self._postgres_kept.cancel()
            await asyncio.wait({self._postgres_kept})
            self._postgres.stop()
