"""Commands that run to their end on the way up."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.child import ending_with_us
from sandbox.errors import SandboxError


async def run_to_end(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run the command, its output into the log. Raises SandboxError with its last line when it fails."""
    process = await asyncio.create_subprocess_exec(
        *ending_with_us(command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environment),
        cwd=Path(__file__).parent.parent,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    with log.open("ab") as file:
        file.write(output)
    if process.returncode != 0:
        lines = output.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"{command[-1]} failed: {lines[-1] if lines else 'it printed nothing'} (see {log}).")
