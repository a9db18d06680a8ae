"""What the report shows, as plain values. `tasks.report.render` turns a `Page` into HTML.

Text may hold anything a file name or an error can hold, surrogates included; it is made visible
when it is printed, not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.report.derivatives import DerivativeDrawing
from tasks.report.fits import FitDrawing
from tasks.report.sparklines import Sparkline
from tasks.report.structure import StructureDrawing

Status = Literal["ok", "flagged", "quarantined", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Masks:
    """An image's block masks as one small picture; `tasks.report.thumbnails.masks` makes it."""

    rows: int
    columns: int
    blocks_per_cell: int
    """Blocks that a cell covers along each axis: 1 unless the map had to be pooled."""
    picture: str
    """Data address of a lossless picture: red active, green distorted, blue noisy."""


@dataclass(frozen=True, kw_only=True)
class ImageCard:
    """One image of the gallery."""

    path: str
    part: str = ""
    """Which item of its file: "page 2"; empty for the only one."""
    status: Status = "ok"
    reason: str = ""
    score: float | None
    """PIQE, 0 best to 100 worst; None where it was not computed."""
    height: int
    width: int
    dtype: str
    route: str
    thumbnail: str
    """Data address of a small picture, or empty."""
    active: float | None = None
    """Fraction of all blocks; so are the next two."""
    distorted: float | None = None
    noisy: float | None = None
    masks: Masks | None = None
    predicted: str = ""
    """The label that a rule of the user's gives it; empty without one."""
    probability: float | None = None
    """Of that label."""
    drawn: bool = False
    """True where the card stands for the archive, drawn at random, not among the worst."""
    details: tuple[tuple[str, str], ...] = ()
    """Anything else worth a line: (name, value)."""


@dataclass(frozen=True, kw_only=True)
class SignalCard:
    """One signal of the list."""

    path: str
    part: str = ""
    status: Status = "ok"
    reason: str = ""
    length: int
    finite_fraction: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    noise: float | None
    """Standard deviation of the noise, in the signal's units."""
    x_name: str = "sample"
    x_units: str = "1"
    units: str = ""
    route: str = ""
    sparkline: Sparkline
    fit: FitDrawing | None = None
    """Straight pieces through the signal, where there are any."""
    structure: StructureDrawing | None = None
    """Its Gaussians and crossings."""
    derivatives: DerivativeDrawing | None = None
    """Where they were asked for."""
    predicted: str = ""
    """The label that a rule of the user's gives it; empty without one."""
    probability: float | None = None
    """Of that label."""
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Count:
    """How many of what."""

    name: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """An input that could not be processed."""

    path: str
    part: str = ""
    code: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Inputs left alone for one reason."""

    reason: str
    number: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LearnedRule:
    """A rule of the user's that was applied to the archive's images or signals."""

    kind: str
    labels: tuple[Count, ...]
    """How many items bear each label, those that are not shown too."""
    without: int
    """Items without a label: new or changed since the rule was applied."""
    model: str
    """Its file."""
    trained: str
    summary: str
    """How good it was on items that it had not seen."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run over this archive."""

    started: str
    finished: str
    outcome: str
    processed: int
    """Items that this run processed; the others were up to date."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """With what, how and when the figures were made."""

    versions: Mapping[str, str]
    parameters: Mapping[str, Any]
    """May be nested; shown as dotted names."""
    routes: tuple[Count, ...] = ()
    """Decode routes and how many items took each."""
    runs: tuple[Run, ...] = ()
    """Newest first."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole report."""

    title: str
    """The archive's name."""
    source: str
    """Where it lies."""
    generated: str
    """When the report was made, in words."""
    image_count: int
    """All images of the archive, also those that are not shown; so are the next two."""
    signal_count: int
    counts: tuple[Count, ...]
    """Inputs by status: ok, flagged, quarantined, skipped."""
    scores: NDArray[np.float64] = field(compare=False)
    """(image,) array: every score of the archive, NaN where there is none."""
    images: tuple[ImageCard, ...] = ()
    """Worst first."""
    signals: tuple[SignalCard, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    quarantined_by_code: tuple[Count, ...] = ()
    """All of them, also those without a row above; counted from the rows when left empty."""
    skipped: tuple[Skipped, ...] = ()
    rules: tuple[LearnedRule, ...] = ()
    provenance: Provenance
    selection: str = ""
    """Which images and signals are shown where not all are."""
    left_out: str = ""
    """What `tasks.report.trim` took away, for size."""
    tables: tuple[str, ...] = ("items.csv", "items.parquet", "components.parquet")
    """Files beside the page that hold every row."""
