"""One run: lock the folder, bring everything up, say where it is, serve, stop."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

from emulators.processes.background import persistently
from emulators.processes.output import lose_lines_instead_of_failing
from emulators.processes.postgres import PostgresError, PostgresServer
from sandbox.demo import Demo
from sandbox.errors import REMEDY_FOR_DAMAGE, SandboxError
from sandbox.folder import DataFolder
from sandbox.leftovers import end_leftovers
from sandbox.options import Options
from sandbox.plan import Plan
from sandbox.ports import free_port, keep_ports, require_free
from sandbox.report import Report
from sandbox.restore import finish_restore
from sandbox.running import Running
from sandbox.settings import Endpoints, Secrets, write_app_settings
from sandbox.status import Status
from sandbox.story import place_first_order
from sandbox.supervisor import Supervisor
from sandbox.watch import first_prices


def run(options: Options, report: Report) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP. Raises SandboxError."""
    lose_lines_instead_of_failing()
    folder = DataFolder.at(options.data)
    with folder.owned():
        finish_restore(folder)
        folder.open()
        if end_leftovers(folder):
            report.problem("Processes that an earlier sandbox left behind were ended.")
        asyncio.run(_Run(folder, options, report).serve())


class _Run:
    def __init__(self, folder: DataFolder, options: Options, report: Report) -> None:
        self._folder = folder
        self._options = options
        self._report = report
        self._demo = Demo.read(options.demo)
        self._port = options.port or free_port()
        self._server = PostgresServer(folder.postgres, 0, fsync=options.fsync)
        self._status = Status(
            folder.state_file,
            report.problem,
            base_url=f"http://127.0.0.1:{self._port}",
            demo=str(options.demo.resolve()),
        )
        self._stop = asyncio.Event()
        self._supervisor: Supervisor | None = None
        self._hurry: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Come up, serve, stop; what is up is stopped whatever happens."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        self._status.state("starting")
        catching_up = asyncio.create_task(persistently(self._status.catch_up, self._internal_error), name="status")
        try:
            if await self._unless_stopped(self._come_up()):
                self._status.state("serving")
                await self._unless_stopped(self._show_story())
                self._start_late_parts()
                await self._unless_stopped(self._show_prices())
                await self._stop.wait()
        finally:
            await self._go_down()
            catching_up.cancel()

    async def _come_up(self) -> None:
        require_free(self._port)
        plan = await asyncio.to_thread(self._plan)
        self._supervisor = Supervisor(plan.nodes(), self._report, self._status.changed)
        await self._supervisor.start()

    def _start_late_parts(self) -> None:
        if self._supervisor is not None and not self._stop.is_set():
            self._supervisor.start_late_parts()

    async def _show_prices(self) -> None:
        """End with live prices; that they are late is no fault of anything else."""
        if not (self._options.story and {"host", "feed"} <= self._status.parts.keys()):
            return
        try:
            prices = await asyncio.to_thread(first_prices, Running.at(self._folder.path))
        except SandboxError as error:
            self._report.problem(str(error))
            return
        if prices is not None:
            self._report.say("")
            self._report.show(prices)
        self._report.say("\nLive prices: .venv/bin/python -m sandbox watch NSE:INFY NSE:TCS")

    def _plan(self) -> Plan:
        ports = keep_ports(self._folder)
        self._server.port = ports["postgres"]
        try:
            self._server.make_password()
        except PostgresError as error:
            raise SandboxError(f"PostgreSQL cannot start: {error}. {REMEDY_FOR_DAMAGE}") from error
        endpoints = Endpoints(ports, Secrets.keep(self._folder), self._server.password, self._demo)
        wanted = {"MARKET_SESSIONS": self._options.sessions, **self._options.settings}
        settings = write_app_settings(self._folder, endpoints, self._port, wanted)
        return Plan(self._folder, self._options, self._port, endpoints, self._server, settings, dict(os.environ))

    async def _show_story(self) -> None:
        if self._options.story and "host" in self._status.parts:
            try:
                await asyncio.to_thread(place_first_order, Running.at(self._folder.path), self._report.say)
            except SandboxError as error:
                self._report.problem(str(error))
        self._show_addresses()
        self._report.say(f"\nServing since {self._report.elapsed_s:.1f} s; Ctrl-C stops it.")

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run the coroutine unless a signal comes first; True when it finished."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    async def _go_down(self) -> None:
        self._status.state("stopping")
        if self._supervisor is not None:
            self._report.say("Stopping.")
            await self._supervisor.stop()
        self._status.state("stopped")

    def _internal_error(self, error: Exception) -> None:
        self._report.problem(f"Internal error; the sandbox continues: {error!r}")

    def _on_signal(self) -> None:
        if self._stop.is_set() and self._hurry is None:
            self._report.problem("Ending everything at once.")
            self._hurry = asyncio.create_task(self._end_at_once())
        self._stop.set()

    async def _end_at_once(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.kill()

    def _show_addresses(self) -> None:
        running = Running.at(self._folder.path)
        endpoints = running.endpoints
        rows = [
            ("API", f"{running.base_url}/api"),
            ("API documentation", f"{running.base_url}/api/docs"),
            ("Identity", f"{endpoints.entra_url}/{self._demo.tenant_id}/v2.0"),
            ("Exchange", endpoints.exchange_admin_url),
            *([("Market feed", endpoints.feed_admin_url)] if self._options.feed else []),
            ("PostgreSQL", f"127.0.0.1:{endpoints.ports['postgres']} (settings in {self._folder.settings_file})"),
            ("Logs", str(self._folder.logs)),
        ]
        self._report.table("Addresses", rows)
        users = [
            (user.name, ", ".join(user.roles), f"KYC {user.kyc}", f"make token USER={user.name}")
            for user in self._demo.users
        ]
        self._report.table("Demo users", users)
