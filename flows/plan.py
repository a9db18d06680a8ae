"""`scalemark plan`: what a run would do, in a terminal."""

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from flows.cluster import cores
from flows.terminal import printable
from tasks.errors import UsageError
from tasks.pipeline import Params
from tasks.plan import Plan, make_plan

LONGEST_LIST = 20


def show_plan(console: Any, source: Path, params: Params) -> int:  # noqa: ANN401
    """Print the plan of a run over `source`."""
    if not source.exists():
        raise UsageError(f"{source} does not exist: name a folder of images and signals")
    with console.status("looking at headers, timing a few items"):
        plan = make_plan(source, params.limits)
    console.print(_formats(plan))
    for title, reasons in (
        ("would be quarantined", {f"{c}: {r}": n for (c, r), n in plan.refused.items()}),
        ("would be skipped", dict(plan.skipped)),
    ):
        _show_reasons(console, title, reasons)
    seconds = plan.seconds(cores())
    if seconds is None:
        console.print("nothing to time")
    else:
        console.print(
            f"about {_duration(seconds)} of work on {cores()} cores, and some seconds to start "
            "(decoding and scoring timed on a sample; writing not included)"
        )
    return 0


def _formats(plan: Plan) -> Table:
    table = Table(box=None)
    table.add_column("format")
    for name in ("files", "items", "MB", "megapixels or megasamples"):
        table.add_column(name, justify="right")
    for name, share in sorted(plan.formats.items(), key=lambda pair: -pair[1].pixels):
        table.add_row(
            name,
            f"{share.files:,}",
            f"{share.items:,}",
            f"{share.size / 1e6:,.1f}",
            f"{share.pixels / 1e6:,.2f}",
        )
    return table


def _show_reasons(console: Any, title: str, reasons: dict[str, int]) -> None:  # noqa: ANN401
    if not reasons:
        return
    console.print(f"{sum(reasons.values()):,} {title}:")
    ranked = sorted(reasons.items(), key=lambda pair: -pair[1])
    for reason, number in ranked[:LONGEST_LIST]:
        console.print(Text(f"  {number:>6,}  {printable(reason)}"))
    if len(ranked) > LONGEST_LIST:
        console.print(f"          and {len(ranked) - LONGEST_LIST:,} other reasons")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
