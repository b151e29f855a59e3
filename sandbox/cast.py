"""`make cast`: a real `make run` as an SVG that plays it back, for the README.

The sandbox gets a temporary folder and a free port. It is started twice and the second start is recorded, because the
first one fills the databases. Lines appear when they were printed; where nothing is animated all of them are shown.
"""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from sandbox.errors import SandboxError

type Line = tuple[float, str]
"""Seconds after the start, and a line with its ANSI colours."""

_COLUMNS = 96
_UP = "Serving since"
_LEFT_OUT = ("Addresses", "Serving since")
"""Between these stand addresses and demo users, which name the machine's folders."""
_TEMPLATE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The terminal during make run</title>
<style>
{styles}
.run-matrix {{ font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }}
.run-title {{ font: 14px sans-serif; fill: #888 }}
@keyframes show {{ to {{ opacity: 1 }} }}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="run-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> None:
    """Record a run and write it to the file named on the command line."""
    try:
        target = Path(sys.argv[1])
        with TemporaryDirectory(prefix="cast-") as folder:
            list(_output(Path(folder), "--no-story"))
            lines = [(0.0, "$ make run"), *shown(list(_output(Path(folder))))]
        target.write_text(svg(lines), encoding="utf-8")
    except SandboxError as error:
        sys.exit(f"Error: {error}")


def _output(folder: Path, *options: str) -> Iterator[Line]:
    """What a run prints until it serves; then it is stopped. Raises SandboxError when it ends before."""
    command = [sys.executable, "-m", "sandbox", "run", "--data", str(folder / "data"), "--port", "0", *options]
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | colours) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield time.monotonic() - started, line.rstrip("\n")
            if _UP in line:
                process.send_signal(signal.SIGINT)
                process.communicate()
                return
    raise SandboxError("The sandbox did not come up: run it with `make run` to see why.")


def shown(lines: Sequence[Line]) -> Iterator[Line]:
    """Without addresses and demo users."""
    first, last = _LEFT_OUT
    shown = True
    for at_s, text in lines:
        if first in text:
            shown = False
            yield at_s, "..."
        shown = shown or last in text
        if shown:
            yield at_s, text


def svg(lines: Sequence[Line]) -> str:
    """The lines as an animated picture of a terminal."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    for _, text in lines:
        console.print(Text.from_ansi(text), soft_wrap=True)
    svg = console.export_svg(title="make run", theme=SVG_EXPORT_THEME, code_format=_TEMPLATE, unique_id="run")
    return svg.replace("@keyframes", f"{_animation(lines)}\n@keyframes", 1)


def _animation(lines: Sequence[Line]) -> str:
    """Style rules by which each line appears at its time, for readers who do not prefer reduced motion."""
    delays = "\n".join(
        f'[clip-path="url(#run-line-{place})"] {{ animation-delay: {at_s:.2f}s }}'
        for place, (at_s, text) in enumerate(lines)
        if text
    )
    every = ".run-matrix text { opacity: 0; animation: show 1ms forwards }"
    return f"@media (prefers-reduced-motion: no-preference) {{\n{every}\n{delays}\n}}"


if __name__ == "__main__":
    main()
