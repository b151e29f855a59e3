"""One process of the host: loads the app, starts the triggers of its group, drains on SIGTERM."""

import asyncio
import ctypes
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import uvloop

from emulators.functions import worker
from emulators.functions.admin import AdminApp, HostState
from emulators.functions.channel import Channel
from emulators.functions.checks import check
from emulators.functions.cors import with_cors
from emulators.functions.definitions import (
    DurableTrigger,
    EventHubTrigger,
    FunctionDefinition,
    HttpTrigger,
    ServiceBusTrigger,
    TimerTrigger,
)
from emulators.functions.durable import WEBHOOK_PATH, DurableHost, hub_name
from emulators.functions.execution import Executor, Listener
from emulators.functions.group_options import GroupOptions
from emulators.functions.http import HttpHost, InvalidResponseError
from emulators.functions.indexing import IndexingError, index, process_groups
from emulators.functions.keys import Keys
from emulators.functions.logging import LogLevels, configure, get_logger
from emulators.functions.outputs import Outputs, event_hubs
from emulators.functions.overload import Admission
from emulators.functions.service_bus import ServiceBusListener, ServiceBusOptions, connection_string
from emulators.functions.serving import HttpServer
from emulators.functions.settings import (
    HostJson,
    LocalSettings,
    SettingsError,
    apply_to_environment,
    load_host_json,
    load_local_settings,
)
from emulators.functions.storage.readiness import (
    lock_period_s,
    storage_host_id,
    storage_parts,
    timers_in_storage,
    uses_storage,
    wait_for_storage,
)
from emulators.functions.timers import PostgresTimerLedger, Timer, TimerLedger
from emulators.processes.background import Background

_PR_SET_PDEATHSIG = 1
_HTTP = "http"
_GC_THRESHOLDS = (10_000, 20, 100)
_HOST_ID = "AzureFunctionsWebHost__hostid"
_logger = get_logger("host")


class CannotStartError(Exception):
    """The app cannot run here; `traceback` is shown to its developer."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


def run_group(options: GroupOptions) -> None:
    """Run this process until a signal or the supervisor ends it; never returns."""
    end_with(options.parent)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_Group(options).run())
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads that functions left behind must not keep the process alive.
        os._exit(code)


def end_with(parent: int) -> None:
    """Have the kernel end this process when the supervisor dies (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor ended before this process started")


@dataclass
class _Group:
    """The parts of one process in the order in which they are made."""

    options: GroupOptions
    state: HostState = field(default_factory=HostState)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    local: LocalSettings = field(default_factory=LocalSettings)
    host_json: HostJson = field(default_factory=lambda: HostJson({}))
    functions: Sequence[FunctionDefinition] = ()
    own: Sequence[FunctionDefinition] = ()
    outputs: Outputs | None = None
    durable: DurableHost | None = None
    storage: Any = None
    timers_in_storage: bool = False
    ledger: TimerLedger | None = None
    http: HttpServer | None = None
    timers: list[Timer] = field(default_factory=list)
    timer_tasks: list[asyncio.Task[None]] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)

    async def run(self) -> int:
        self.background = Background()
        channel = await Channel.open(socket.socket(fileno=self.options.channel_fd))
        self._handle_signals()
        try:
            await self._load(channel)
            database = await self._database(channel)
            if database is not None:
                await self._start(database)
                _spare_the_collector()
                channel.send("ready")
                await self._until_stopped(channel)
        except CannotStartError as error:
            channel.send("failed", message=str(error), traceback=error.traceback)
            await channel.flush()
            return 1
        await self._drain()
        return 0

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_or_end)

    def _stop_or_end(self) -> None:
        if self.stopping.is_set():
            os._exit(1)
        self.stopping.set()

    async def _load(self, channel: Channel) -> None:
        """Index the app and report its functions to the supervisor. Raises CannotStartError."""
        try:
            os.chdir(self.options.app)
            self.local = load_local_settings(self.options.app, self.options.settings)
            apply_to_environment(self.local)
            self.host_json = load_host_json(self.options.app, os.environ)
            levels = LogLevels(self.host_json.section("logging", "logLevel"), self.options.log_level)
            self.executor = Executor(configure(levels, self.options.group), self.host_json.function_timeout_s)
            metadata = await worker.load_app(self.options.app, announce=self.options.group == _HTTP)
            self.functions = index(metadata, os.environ)
            check(self.functions, self.host_json)
            storage_timers = await self._find_storage()
        except worker.AppLoadError as error:
            raise CannotStartError(str(error), error.traceback) from error
        except (SettingsError, IndexingError) as error:
            raise CannotStartError(str(error)) from error
        except FileNotFoundError as error:
            raise CannotStartError(f"{self.options.app} is gone") from error
        groups = process_groups(self.functions, self.options.mode)
        self.own = groups.get(self.options.group, ())
        channel.send(
            "indexed",
            groups={name: [function.name for function in members] for name, members in groups.items()},
            functions=[self._summary(function) for function in self.functions],
            needs_database=any(_needs_database(function, storage_timers) for function in self._enabled()),
            timers_in_storage=storage_timers,
        )

    def _enabled(self) -> list[FunctionDefinition]:
        return [function for function in self.functions if not function.disabled]

    async def _find_storage(self) -> bool:
        """Wait for what bindings need; whether timers are kept in storage. Raises IndexingError, SettingsError."""
        enabled = self._enabled()
        await wait_for_storage(enabled, os.environ)
        return await timers_in_storage(enabled, os.environ)

    def _summary(self, function: FunctionDefinition) -> dict[str, Any]:
        summary: dict[str, Any] = {
            "name": function.name,
            "disabled": function.disabled,
            "trigger": next(
                binding["type"] for binding in function.raw_bindings if binding["type"].lower().endswith("trigger")
            ),
        }
        if isinstance(function.trigger, HttpTrigger):
            path = f"{self.host_json.route_prefix}/{function.trigger.route.lstrip('/')}".strip("/")
            summary |= {"url": f"{self.options.public_url}/{path}", "auth_level": function.trigger.auth_level}
            summary["methods"] = list(function.trigger.methods)
        return summary

    async def _database(self, channel: Channel) -> str | None:
        """The DSN (empty when nothing needs one), or None when this process is to stop."""

        async def answer() -> str | None:
            async for message in channel.messages():
                if message["event"] == "start":
                    self.timers_in_storage = bool(message.get("timers_in_storage"))
                    return str(message["database"])
            return None

        waiting = asyncio.create_task(answer())
        stopped = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not waiting.done():
            waiting.cancel()
            return None
        return waiting.result()

    async def _start(self, database: str) -> None:
        enabled = self._enabled()
        self.storage = self._open_storage()
        self.outputs = Outputs(os.environ, self.storage)
        self.executor.outputs, self.executor.storage = self.outputs, self.storage
        names = [function.name for function in enabled] if self.options.group == _HTTP else []
        try:
            keys = Keys.load(self.options.data, names, required=not self.options.no_keys)
        except SettingsError as error:
            raise CannotStartError(str(error)) from error
        await self._open_hub(enabled, database, keys)
        if self.options.group == _HTTP:
            await self._serve_http(enabled, keys)
        self._start_triggers(database)

    def _open_storage(self) -> Any:
        """The storage parts, if this process needs them: other apps run without their SDKs."""
        has_timers = any(isinstance(function.trigger, TimerTrigger) for function in self.own)
        if not uses_storage(self.own) and not (has_timers and self.timers_in_storage):
            return None
        run_id = f"{self.options.parent} {self.options.public_url}"
        return storage_parts().StorageHost(os.environ, self.host_json, storage_host_id(self.options.app), run_id)

    async def _open_hub(self, enabled: Sequence[FunctionDefinition], database: str, keys: Keys) -> None:
        concerned = enabled if self.options.group == _HTTP else self.own
        if not any(function.is_durable for function in concerned):
            return
        from emulators.durable import open_task_hub  # noqa: PLC0415 - apps without Durable start without it

        section = dict(self.host_json.section("extensions", "durableTask"))
        try:
            hub = await open_task_hub(database, hub_name(section, os.environ), section)
        except (ValueError, SettingsError) as error:
            raise CannotStartError(f"host.json: extensions.durableTask: {error}") from error
        except psycopg.OperationalError as error:
            raise CannotStartError(f"cannot open the task hub: {error}") from error
        self.durable = DurableHost(hub)
        self.executor.client_binding = await self.durable.serve_rpc(
            self.options.public_url + WEBHOOK_PATH, keys.durable, self.background
        )
        if any(isinstance(function.trigger, DurableTrigger) for function in self.own):
            await self.durable.start_worker(self.own, self.executor)

    async def _serve_http(self, enabled: Sequence[FunctionDefinition], keys: Keys) -> None:
        admin = AdminApp(
            self.functions,
            self.executor,
            keys,
            self.state,
            host_id=host_id(self.options.app),
            base_url=self.options.public_url,
            route_prefix=self.host_json.route_prefix,
        )
        if self.durable is not None:
            admin.mount_webhooks(self.durable.webhook_routes())
        try:
            app = HttpHost(
                enabled,
                self.executor,
                keys,
                admin,
                route_prefix=self.host_json.route_prefix,
                body_limit=self.options.body_limit,
                custom_headers=self.host_json.custom_headers,
            )
        except InvalidResponseError as error:
            raise CannotStartError(f"host.json: extensions.http.customHeaders: {error}") from error
        assert self.options.listen_fd is not None, "the supervisor hands its socket to the http group"
        self.http = HttpServer(
            with_cors(app, self.local.host),
            socket.socket(fileno=self.options.listen_fd),
            self.options.drain_s,
            None if self.options.refuse_after_ms is None else Admission(self.options.refuse_after_ms / 1000),
        )
        await self.http.listen(self.background)

    def _start_triggers(self, database: str) -> None:
        options = ServiceBusOptions.of(self.host_json.section("extensions", "serviceBus"))
        for function in self.own:
            if isinstance(function.trigger, TimerTrigger):
                self.ledger = self.ledger or self._timer_ledger(database)
                self.timers.append(Timer(function, self.ledger, self.executor))
            elif isinstance(function.trigger, ServiceBusTrigger):
                connection = connection_string(function.trigger.connection, os.environ)
                self.listeners.append(ServiceBusListener(function, connection, options, self.executor))
            elif isinstance(function.trigger, EventHubTrigger):
                self.listeners.append(self._event_hub_listener(function, function.trigger, database))
        if self.storage is not None:
            self.listeners += self.storage.listeners(self.own, self.executor)
        self.timer_tasks = [self.background.start(timer.run(), "timer") for timer in self.timers]
        for listener in self.listeners:
            listener.start(self.background)

    def _timer_ledger(self, database: str) -> TimerLedger:
        if not self.timers_in_storage:
            return PostgresTimerLedger(database, host_id(self.options.app))
        ledger: TimerLedger = self.storage.timer_ledger(lock_period_s(self.host_json))
        return ledger

    def _event_hub_listener(self, function: FunctionDefinition, trigger: EventHubTrigger, database: str) -> Listener:
        from emulators.functions.event_hub_checkpoints import PostgresCheckpointStore  # noqa: PLC0415 - optional SDK

        connection = event_hubs().event_hub_connection(trigger.connection, os.environ)
        options = event_hubs().EventHubOptions.of(self.host_json.section("extensions", "eventHubs"))
        store = PostgresCheckpointStore(database, host_id(self.options.app))
        listener: Listener = event_hubs().EventHubListener(function, connection, options, self.executor, store)
        return listener

    async def _until_stopped(self, channel: Channel) -> None:
        """Return on a signal, when the supervisor is gone, when a trigger broke or a thread was lost."""
        following = asyncio.create_task(self._follow(channel))
        stopped = asyncio.create_task(self.stopping.wait())
        stuck = asyncio.create_task(self.executor.stuck.wait())
        failed = self.background.failed
        watched: list[asyncio.Future[Any]] = [following, stopped, stuck, failed]
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if stuck.done():
            _logger.warning("A synchronous function ran past its time-out, so its process is replaced")
        if failed.done():
            _logger.error("A part of the host failed, so its process is replaced", exc_info=failed.result())
        for task in (following, stopped, stuck):
            task.cancel()

    async def _follow(self, channel: Channel) -> None:
        async for message in channel.messages():
            if message["event"] == "state":
                self.state.state = message["state"]

    async def _drain(self) -> None:
        """Take nothing new and finish what runs, then let go of hub, broker and database."""
        deadline = time.monotonic() + self.options.drain_s
        self.state.state = "Stopping"
        sources: list[Timer | Listener] = [*self.timers, *self.listeners]
        for source in sources:
            source.stop()
        # Requests and messages first: they may still call the hub.
        await self._close_sources(deadline)
        if self.durable is not None:
            await self._closed(self.durable.drain(_left(deadline)))
        if not await self.executor.wait_idle(_left(deadline)):
            _logger.warning("Functions still ran when the drain period ended")
        if self.outputs is not None:
            await self._closed(self.outputs.close())
        if self.ledger is not None:
            await self._closed(self.ledger.close())
        if self.storage is not None:
            await self._closed(self.storage.close())

    async def _close_sources(self, deadline: float) -> None:
        closing = [self._closed(listener.wait_closed(_left(deadline))) for listener in self.listeners]
        if self.http is not None:
            closing.append(self._closed(self.http.stop()))
        await asyncio.gather(*closing)
        if self.timer_tasks:
            await asyncio.wait(self.timer_tasks, timeout=_left(deadline))

    async def _closed(self, closing: Awaitable[None]) -> None:
        """One part's failure to close must not keep the others open."""
        try:
            await closing
        except Exception as error:  # noqa: BLE001
            _logger.warning("A part of the host did not close cleanly", error=repr(error))


def _spare_the_collector() -> None:
    """What the app and the SDKs have loaded stays: without it, each of Python's collections is cheap and rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _needs_database(function: FunctionDefinition, storage_timers: bool) -> bool:
    if isinstance(function.trigger, TimerTrigger) and not storage_timers:
        return True
    return function.is_durable or isinstance(function.trigger, EventHubTrigger)


def host_id(app: Path) -> str:
    """The name under which timers are remembered: the setting that Azure uses, or the folder's name."""
    return os.environ.get(_HOST_ID) or app.name.lower() or "app"
