"""The whole run, ingest to report. This is the file to read first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from core.form import FORM, Within
from tasks import session
from tasks.batches import Order
from tasks.components import write_components
from tasks.ingest import ingest
from tasks.learning.learned import tell_outdated
from tasks.piecewise import PiecesParams, fit_pieces
from tasks.probe import probe
from tasks.readers.base import Limits
from tasks.report.write import write_report
from tasks.scale_space import StructureParams, find_structure
from tasks.scan import scan
from tasks.scoring import QualityParams, score, write_mscn_maps
from tasks.signals import describe_signals
from tasks.summary import Summary, summarise
from tasks.table import write_tables
from tasks.verdict import VerdictParams, judge

Step = Callable[..., Any]
Wrapper = Callable[[Step], Step]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Every knob of a run."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    only: Literal["all", "images", "signals"] = "all"
    """What to process; the rest is listed as skipped."""
    retry_failed: bool = False
    """Try the quarantined items again."""
    item_timeout: Annotated[float, Within(0, 1e9)] = 600.0
    """Seconds that one item may take before its worker is ended and it is quarantined."""
    limits: Limits = field(default_factory=Limits)
    """How large an item may be."""
    quality: QualityParams = field(default_factory=QualityParams)
    """What is measured of every image."""
    pieces: PiecesParams = field(default_factory=PiecesParams)
    """How straight pieces are fitted to every signal."""
    structure: StructureParams = field(default_factory=StructureParams)
    """How the Gaussians in every signal are found."""
    verdict: VerdictParams = field(default_factory=VerdictParams)
    """When an item is flagged."""

    def __post_init__(self) -> None:
        if self.only not in ("all", "images", "signals"):
            raise ValueError(f"only must be all, images or signals, got {self.only!r}")
        if not 0 < self.item_timeout <= 1e9:
            raise ValueError(
                f"item_timeout must be positive, and 1e9 at most, got {self.item_timeout}"
            )


Part = Callable[[Order, Params, Wrapper], None]


def plain(step: Step) -> Step:
    """Run a step here and now."""
    return step


def characterise(source: Path, out: Path, params: Params, *, run: Wrapper = plain) -> Summary:
    """Characterise every image and signal of `source` into `out`.

    Parameters
    ----------
    source : Path
        A folder, or one file; never written.
    out : Path
        The output folder; a run that is there already is continued.
    params : Params
        Every knob.
    run : callable, optional
        Wraps each step before it is called; Prefect passes its own.

    Returns
    -------
    Summary
        Counts, the worst items, and where things lie.

    Raises
    ------
    tasks.errors.RunError
        When the run cannot start or go on; the same call resumes it.
    """
    with session.started(source, out, params) as order:
        take_in(order, params, run)
        measure_images(order, params, run)
        measure_signals(order, params, run)
        conclude(order, params, run)
    return summarise(order.output)


def take_in_only(source: Path, out: Path, params: Params, *, run: Wrapper = plain) -> Summary:
    """Do the first part of `characterise`: decode, list, and measure nothing."""
    with session.started(source, out, params) as order:
        take_in(order, params, run)
        tabulate(order, params, run)
    return summarise(order.output)


def carry_on(out: Path, part: Part, params: Params, *, run: Wrapper = plain) -> Summary:
    """Do one part of the run for what an earlier run has put into `out`.

    Parameters
    ----------
    out : Path
        The output folder of a run.
    part : callable
        One of the parts below; the tables and the verdicts follow by themselves.
    params : Params
        Every knob; the part reads its own.
    run : callable, optional
        As in `characterise`.

    Raises
    ------
    tasks.errors.RunError
        When there is no run in `out`, or the part cannot start or go on.
    """
    with session.continued(out, params) as order:
        part(order, params, run)
        if part is not conclude:
            tabulate(order, params, run)
    return summarise(order.output)


def take_in(order: Order, params: Params, run: Wrapper) -> None:
    """Find and decode what is new or changed in the source."""
    run(scan)(order)
    run(probe)(order, params.limits)
    run(session.select)(order, params.only)
    run(ingest)(order)


def measure_images(order: Order, params: Params, run: Wrapper) -> None:
    """Score the images."""
    run(score)(order, params.quality)
    run(write_mscn_maps)(order, params.quality)


def measure_signals(order: Order, params: Params, run: Wrapper) -> None:
    """Describe the signals: straight pieces, Gaussians, crossings."""
    run(describe_signals)(order)
    run(fit_pieces)(order, params.pieces)
    run(find_structure)(order, params.structure)


def tabulate(order: Order, params: Params, run: Wrapper) -> None:
    """Judge every item, and write the tables."""
    run(judge)(order, params.verdict)
    run(tell_outdated)(order)
    run(write_tables)(order)
    run(write_components)(order)


def conclude(order: Order, params: Params, run: Wrapper) -> None:
    """Judge, write the tables and the report."""
    tabulate(order, params, run)
    run(write_report)(order)


def rewrite(out: Path) -> None:
    """Write the tables and the report of a run again, without its source."""
    with session.held(out) as order:
        write_tables(order)
        write_components(order)
        write_report(order)
