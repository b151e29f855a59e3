"""Starts parts and steps as soon as what they need is there, restarts what ends, stops all in reverse order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from emulators.processes.background import persistently
from emulators.processes.log_files import rotate
from sandbox.child import Child
from sandbox.errors import SandboxError
from sandbox.parts import Node, Part, Step, with_needs
from sandbox.report import Report

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 2.0
_STABLE_AFTER_S = 10.0
_LOGS_EVERY_S = 5.0


class Supervisor:
    """Runs one plan; `changed` is called with the parts' process ids whenever one of them changes.

    No failure ends the supervision: an exception in it is reported, and the work is tried again.
    """

    def __init__(
        self, nodes: Sequence[Node], report: Report, changed: Callable[[Mapping[str, int | None]], None]
    ) -> None:
        self._nodes = nodes
        self._report = report
        self._changed = changed
        self._children = {node.name: Child(node, report.problem) for node in nodes if isinstance(node, Part)}
        self._finished = {node.name: asyncio.Event() for node in nodes}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring everything up, what is independent at the same time. Raises SandboxError, OSError."""
        self._do_forever("logs", self._bound_logs)
        try:
            async with asyncio.TaskGroup() as group:
                for node in self._nodes:
                    if not (isinstance(node, Part) and node.late):
                        group.create_task(self._bring_up(node))
        except* (SandboxError, OSError) as errors:
            raise errors.exceptions[0] from None

    def start_late_parts(self) -> None:
        """Start what comes late, beside everything else; a failure is reported and tried again."""
        for child in self._children.values():
            if child.part.late:
                self._do_forever(f"keep {child.part.name}", partial(self._keep_late, child))

    async def stop(self) -> None:
        """Stop in reverse order of need: a part ends only after those that use it."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        waiting = dict(self._children)
        while waiting:
            needed = {need for name in waiting for need in with_needs(self._nodes, [name]) - {name}}
            last = {name: child for name, child in waiting.items() if name not in needed}
            await asyncio.gather(*(child.stop() for child in last.values()))
            for name in last:
                del waiting[name]
        self._announce()

    async def kill(self) -> None:
        """End everything at once."""
        await asyncio.gather(*(child.kill() for child in self._children.values()))

    async def _bring_up(self, node: Node) -> None:
        await asyncio.gather(*(self._finished[need].wait() for need in node.needs))
        if isinstance(node, Part):
            seconds = await self._first_start(self._children[node.name])
            self._report.done(node.title, seconds, node.address)
            child = self._children[node.name]
            self._do_forever(f"keep {node.name}", lambda: self._keep(child))
            self._announce()
        else:
            await self._take(node)
        self._finished[node.name].set()

    async def _take(self, step: Step) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        note = await step.action()
        self._report.done(step.title, clock() - began, note)

    async def _first_start(self, child: Child) -> float:
        try:
            return await child.start()
        except SandboxError as error:
            recover = child.part.recover
            if recover is None or not recover():
                raise
            self._report.problem(f"{error} Its files are made anew.")
            return await child.start()

    def _do_forever(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        def report(error: Exception) -> None:
            self._report.problem(f"An internal error ({name}), which is tried again: {error!r}")

        self._keepers.append(asyncio.create_task(persistently(work, report), name=name))

    async def _bound_logs(self) -> None:
        """Cut logs that have grown too long, while their parts write to them."""
        while True:
            for child in self._children.values():
                await asyncio.to_thread(rotate, child.part.log)
            await asyncio.sleep(_LOGS_EVERY_S)

    async def _keep_late(self, child: Child) -> None:
        if child.pid is None:
            await self._start_again(child, child.part.address)
            self._announce()
        await self._keep(child)

    async def _keep(self, child: Child) -> None:
        """Restart the child whenever it ends, waiting longer each time until it stays."""
        clock = asyncio.get_running_loop().time
        delay = _FIRST_DELAY_S
        while True:
            began = clock()
            how = await child.ended()
            delay = _FIRST_DELAY_S if clock() - began > _STABLE_AFTER_S else min(2 * delay, _LONGEST_DELAY_S)
            self._report.problem(f"{child.part.title} ended ({how}); starting it again in {delay:.1f} s.")
            self._announce()
            await asyncio.sleep(delay)
            await self._start_again(child)
            self._announce()

    async def _start_again(self, child: Child, note: str = "again") -> None:
        """Start it once what it needs serves; without that it would only end again."""
        needed = with_needs(self._nodes, child.part.needs, also_used=False) & self._children.keys()
        await asyncio.gather(*(self._children[name].serves.wait() for name in needed))
        try:
            seconds = await child.start()
        except (SandboxError, OSError) as error:
            self._report.problem(str(error))
        else:
            self._report.done(child.part.title, seconds, note)

    def _announce(self) -> None:
        self._changed({name: child.pid for name, child in self._children.items()})
