"""What a run shows in a terminal: a bar while it goes on, a summary at its end."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from tasks.progress import Event, Note
from tasks.summary import Summary

COLOURS = {
    "ok": "green", "flagged": "yellow", "quarantined": "red", "skipped": "dim", "pending": "cyan",
}  # fmt: skip


LINES = 5
"""Of the worst images."""


class Terminal:
    """Draws progress; a listener for `tasks.progress`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description:<15}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:>15}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._ids: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ids:
            self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Note):
            self._console.print(Text(f"{event.stage}: {event.text}", style="dim"))
            return
        if event.total == 0:
            return
        self._bars.start()
        began = self._began.setdefault(event.stage, time.monotonic())
        if event.stage not in self._ids:
            self._ids[event.stage] = self._bars.add_task(event.stage, total=event.total, speed="")
        self._bars.update(
            self._ids[event.stage],
            completed=event.done,
            total=event.total,
            speed=_speed(event.stage, event.pixels, time.monotonic() - began),
        )


def _speed(stage: str, pixels: int, seconds: float) -> str:
    if not pixels or seconds <= 0:
        return ""
    rate, what = pixels / seconds, "S/s" if "signal" in stage else "P/s"
    return f"{rate / 1e6:.1f} M{what}" if rate >= 1e5 else f"{rate / 1e3:.1f} k{what}"


def show_summary(console: Console, summary: Summary) -> None:
    """Print counts, the worst images and where things lie."""
    console.print(counts_line(summary.counts))
    for code, number in summary.quarantined.items():
        console.print(Text(f"  quarantined: {number} {code}", style="red"))
    if summary.worst:
        console.print(_worst(summary))
    for name, path in (
        ("report", summary.output.report),
        ("table", summary.output.parquet),
        ("", summary.output.csv),
        ("store", summary.output.store),
    ):
        # Not wrapped: a path is there to be copied.
        console.print(Text(f"{name:<7}{printable(str(path))}"), soft_wrap=True)


def counts_line(counts: dict[str, int]) -> Text:
    """Return the counts by status, coloured."""
    parts = [
        Text(f"{number} {status}", style=COLOURS[status])
        for status, number in counts.items()
        if number or status in ("ok", "flagged", "quarantined", "skipped")
    ]
    return Text("  ").join(parts)


def _worst(summary: Summary) -> Table:
    table = Table(title="highest scores", title_justify="left", box=None, title_style="bold")
    table.add_column("PIQE", justify="right")
    table.add_column("path", overflow="fold")
    table.add_column("why flagged")
    for item in summary.worst[:LINES]:
        name, reason = Text(printable(item.name)), Text(printable(item.reason))
        table.add_row(f"{item.score:.1f}", name, reason)
    return table


def printable(text: str) -> str:
    """Return text that cannot move the cursor or change colours, whatever a file is called."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
