"""What the terminal shows: one line per finished step, without colours where it is not a terminal."""

import time
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.text import Text


class Report:
    """Progress for people; every line carries what happened and how long it took."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._started

    def done(self, title: str, seconds: float, note: str = "") -> None:
        """A step that ended well."""
        mark = "✓" if self._console.is_terminal else "ok"
        line = f"{title:<34}{seconds:>7.2f} s  "
        self._console.print(Text.assemble((f"{mark:<3}", "green"), line, (note, "dim")))

    def say(self, text: str) -> None:
        """A line as it is."""
        self._console.print(text, markup=False)

    def problem(self, text: str) -> None:
        """Something that went wrong and is being dealt with."""
        self._console.print(Text(f"!  {text}", "yellow"))

    def show(self, renderable: RenderableType) -> None:
        """Anything that Rich can print."""
        self._console.print(renderable)

    def table(self, title: str, rows: Sequence[Sequence[str]]) -> None:
        """Aligned columns under a title."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self._console.print(f"\n[bold]{title}[/bold]")
        for row in rows:
            line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            self.say(f"  {line.rstrip()}")
