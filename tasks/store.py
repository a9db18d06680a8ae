"""The run's Zarr store: every group, variable, dimension, dtype and unit is named here, once.

Items of many shapes share stacks: each extent is rounded up a short ladder, so that thousands of
distinct shapes make tens of stacks; the true extents stand beside. A chunk holds whole frames, or
a tile of one large frame. `tasks/chunks.py` writes and reads them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from core.mscn_statistics import NAMES

TILE = 2048
BLOCK = 16
THUMBNAIL = 192
FRAMES_PIXELS = 2**21
LONGEST_CHUNK = 2**20
PIECES = 6
"""Pieces that a signal's fit may have."""
COMPONENTS = 16
"""Gaussians that a signal may hold."""
SCALES, CROSSINGS = 32, 64
"""Scales at which a signal is looked at, and crossings that are kept at each."""
LABELS = 16
"""Labels that a learned rule may tell apart."""


def ladder(extent: int) -> int:
    """Round an extent up to its size class: a multiple of 16, four classes an octave.

    Examples
    --------
    >>> [ladder(n) for n in (1, 17, 64, 65, 512, 513, 4000)]
    [16, 32, 64, 80, 512, 640, 4096]
    """
    step = max(BLOCK, (1 << max(extent - 1, 1).bit_length()) // 8)
    return max(step, -(-extent // step) * step)


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """Return the extents of an image's thumbnail; a small image keeps its own.

    Examples
    --------
    >>> thumbnail_size(400, 600)
    (128, 192)
    """
    scale = min(1.0, THUMBNAIL / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


@dataclass(frozen=True)
class Stack:
    """Where items of one size class, kind and dtype lie together."""

    kind: str
    shape: tuple[int, ...]
    dtype: str
    in_place: bool = False

    @property
    def name(self) -> str:
        """The group's name: `512x768_uint8`, `4096`."""
        size = "x".join(map(str, self.shape))
        return size + (f"_{self.dtype}" if self.kind == "image" else "") + self.suffix

    @property
    def suffix(self) -> str:
        """Marks a stack whose images lie elsewhere."""
        return "_in_place" if self.in_place else ""

    @property
    def slots_per_chunk(self) -> int:
        """Frames or series that one chunk, and so one batch, owns; a tiled frame stands alone."""
        return 1 if self.tiled else max(1, min(64, FRAMES_PIXELS // int(np.prod(self.shape))))

    @property
    def tiled(self) -> bool:
        """True where one frame is larger than a chunk."""
        return max(self.shape) > (TILE if self.kind == "image" else LONGEST_CHUNK)

    @property
    def sizes(self) -> dict[str, int]:
        """The extent of every dimension but the first."""
        if self.kind == "signal":
            pieces = {"knot": PIECES - 1, "piece": PIECES, "end": 2, "bound": 2}
            structure = {
                "component": COMPONENTS,
                "term": 2,
                "scale": SCALES,
                "rank": CROSSINGS,
                "label": LABELS,
            }
            return {"sample": self.shape[0], **pieces, **structure}
        height, width = self.shape
        return {
            "y": height,
            "x": width,
            "block_y": height // BLOCK,
            "block_x": width // BLOCK,
            "thumbnail_y": min(height, THUMBNAIL),
            "thumbnail_x": min(width, THUMBNAIL),
            "channel": 3,
            "statistic": len(NAMES),
            "label": LABELS,
        }

    @classmethod
    def of(cls, kind: str, shape: tuple[int, ...], dtype: str, *, in_place: bool) -> "Stack":
        """Return the stack that an item of this shape belongs to."""
        return cls(kind, tuple(map(ladder, shape)), dtype, in_place)

    @classmethod
    def parse(cls, kind: str, name: str) -> "Stack":
        """Read a stack's name back."""
        size, _, rest = name.partition("_")
        dtype, _, place = (rest or "float64").partition("_")
        return cls(kind, tuple(map(int, size.split("x"))), dtype, bool(place))


@dataclass(frozen=True)
class Variable:
    """One array of the store; a dtype of "" is the stack's own."""

    tree: str
    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    columns: tuple[str, ...] = ()
    """Names of the places along the last dimension, where each is a number of its own."""
    blank: int = 0
    """What whole numbers are where nothing was written; others are NaN there."""

    def blanks(self, dtype: np.dtype[Any]) -> float:
        """Return what is held where nothing was written."""
        return np.nan if dtype.kind == "f" else self.blank

    def path(self, stack: Stack) -> str:
        """Where it lies in the store."""
        return f"{self.tree}/{stack.name}/{self.name}"

    def shape(self, stack: Stack, slots: int) -> tuple[int, ...]:
        """Extents of the whole array."""
        return (slots, *(stack.sizes[dim] for dim in self.dims[1:]))

    def chunks(self, stack: Stack) -> tuple[int, ...]:
        """Extents of a chunk."""
        limit = {"y": TILE, "x": TILE, "sample": LONGEST_CHUNK}
        inner = (min(stack.sizes[dim], limit.get(dim, 2**31)) for dim in self.dims[1:])
        return (stack.slots_per_chunk, *inner)

    def check(self, array: xr.DataArray) -> xr.DataArray:
        """Return `array` named and labelled, or say what does not fit."""
        if array.dims != self.dims:
            raise ValueError(f"{self.tree}/{self.name}: dims {array.dims}, expected {self.dims}")
        if self.dtype and array.dtype != np.dtype(self.dtype):
            raise ValueError(f"{self.tree}/{self.name}: {array.dtype}, expected {self.dtype}")
        return array.rename(self.name).assign_attrs(units=self.units, long_name=self.long_name)


FRAME, SERIES = ("frame",), ("series",)
BLOCKS = ("frame", "block_y", "block_x")

IMAGE = Variable(
    "images", "image", ("frame", "y", "x"), "", "1", "gray level, in the input's class"
)
HEIGHT = Variable("images", "height", FRAME, "int64", "pixel", "true height of the frame")
WIDTH = Variable("images", "width", FRAME, "int64", "pixel", "true width of the frame")
FRAME_ITEM = Variable("images", "item", FRAME, "int64", "1", "the frame's row in the ledger")
SMALL = Variable(
    "images",
    "thumbnail",
    ("frame", "thumbnail_y", "thumbnail_x", "channel"),
    "uint8",
    "1",
    "colour thumbnail in the top left corner; contrast stretched unless the image is 8-bit",
)
IMAGES = (IMAGE, HEIGHT, WIDTH, FRAME_ITEM, SMALL)

PIQE = Variable("quality", "piqe", FRAME, "float64", "1", "PIQE score, 0 best to 100 worst")
ACTIVITY = Variable("quality", "activity", BLOCKS, "bool", "1", "block holds structure")
ARTIFACT = Variable("quality", "artifact", BLOCKS, "bool", "1", "block has noticeable distortion")
NOISE = Variable("quality", "noise", BLOCKS, "bool", "1", "block has Gaussian noise")
ACTIVE = Variable("quality", "active_fraction", FRAME, "float64", "1", "blocks that hold structure")
DISTORTED = Variable("quality", "distorted_fraction", FRAME, "float64", "1", "distorted blocks")
NOISY = Variable("quality", "noisy_fraction", FRAME, "float64", "1", "noisy blocks")
MSCN = Variable("quality", "mscn", ("frame", "y", "x"), "float32", "1", "MSCN coefficient")
STATISTICS = Variable(
    "quality",
    "statistics",
    ("frame", "statistic"),
    "float64",
    "1",
    "fit to the MSCN coefficients or their neighbour products, as in BRISQUE",
    NAMES,
)
QUALITY = (PIQE, ACTIVITY, ARTIFACT, NOISE, ACTIVE, DISTORTED, NOISY, STATISTICS)

SIGNAL = Variable("signals", "signal", ("series", "sample"), "float64", "", "signal, as it came")
X = Variable("signals", "x", ("series", "sample"), "float64", "", "position of every sample")
LENGTH = Variable("signals", "length", SERIES, "int64", "sample", "true length of the series")
SERIES_ITEM = Variable("signals", "item", SERIES, "int64", "1", "the series' row in the ledger")
SIGNALS = (SIGNAL, X, LENGTH, SERIES_ITEM)

FINITE = Variable(
    "descriptors", "finite_fraction", SERIES, "float64", "1", "samples that are finite"
)
MINIMUM = Variable("descriptors", "minimum", SERIES, "float64", "", "least finite sample")
MAXIMUM = Variable("descriptors", "maximum", SERIES, "float64", "", "greatest finite sample")
MEAN = Variable("descriptors", "mean", SERIES, "float64", "", "mean of the finite samples")
SIGNAL_NOISE = Variable("descriptors", "noise", SERIES, "float64", "", "noise standard deviation")
DESCRIPTORS = (FINITE, MINIMUM, MAXIMUM, MEAN, SIGNAL_NOISE)

KNOT, PIECE, BOUND = ("series", "knot"), ("series", "piece"), ("series", "knot", "bound")
BREAKPOINT = Variable(
    "pieces",
    "breakpoint",
    KNOT,
    "float64",
    "",
    "where two straight pieces meet, in the signal's x",
    tuple(f"breakpoint_{n}" for n in range(1, PIECES)),
)
SLOPE = Variable("pieces", "slope", PIECE, "float64", "", "signal per x along the piece")
INTERCEPT = Variable("pieces", "intercept", PIECE, "float64", "", "the piece's line at x = 0")
CURVATURE = Variable("pieces", "curvature", PIECE, "float64", "", "factor of the squared x")
VALUE = Variable("pieces", "value", (*PIECE, "end"), "float64", "", "the piece at its ends")
SPAN = Variable("pieces", "span", ("series", "end"), "float64", "", "least and greatest x")
CI_BREAKPOINT = Variable("pieces", "ci_breakpoint", BOUND, "float64", "", "interval of the break")
SE_BREAKPOINT = Variable("pieces", "se_breakpoint", KNOT, "float64", "", "standard error")
SE_INTERCEPT = Variable("pieces", "se_intercept", PIECE, "float64", "", "standard error")
CI_SLOPE = Variable("pieces", "ci_slope", (*PIECE, "bound"), "float64", "", "interval of the slope")
PVALUE = Variable(
    "pieces", "pvalue_no_break", SERIES, "float64", "1", "probability of such a gain without break"
)
SE_SLOPE = Variable("pieces", "se_slope", PIECE, "float64", "", "standard error of the slope")
RSS = Variable("pieces", "rss", SERIES, "float64", "", "sum of squared residuals")
SIGMA = Variable("pieces", "sigma", SERIES, "float64", "", "deviation of the residuals")
N_SEGMENTS = Variable("pieces", "n_segments", SERIES, "int64", "1", "straight pieces; 0 if no fit")
N_OBS = Variable("pieces", "n_obs", SERIES, "int64", "1", "samples, or means, that were fitted")
STRETCH = Variable("pieces", "stretch", SERIES, "int64", "sample", "samples behind each mean")
CERTIFIED = Variable("pieces", "certified", SERIES, "bool", "1", "no breaks fit better, proven")
FIT_STATUS = Variable("pieces", "status", SERIES, "int8", "1", "0: fitted; else why not")
PIECEWISE = (
    BREAKPOINT, SLOPE, INTERCEPT, CURVATURE, VALUE, SPAN, CI_BREAKPOINT, SE_BREAKPOINT, SE_SLOPE,
    SE_INTERCEPT, CI_SLOPE, PVALUE, RSS, SIGMA,
    N_SEGMENTS, N_OBS, STRETCH, CERTIFIED, FIT_STATUS,
)  # fmt: skip

COMPONENT, COMPONENT_BOUND = ("series", "component"), ("series", "component", "bound")
TERM, SCALE_DIMS = ("series", "term"), ("series", "scale")


def _gaussian(name: str, of: str) -> tuple[Variable, Variable, Variable]:
    """Return a number of every Gaussian, its error and its interval."""
    return (
        Variable("scale_space", name, COMPONENT, "float64", "", f"{of} of each Gaussian"),
        Variable("scale_space", f"{name}_error", COMPONENT, "float64", "", f"error of the {of}"),
        Variable(
            "scale_space",
            f"{name}_interval",
            COMPONENT_BOUND,
            "float64",
            "",
            f"interval of {of}",
        ),
    )


N_COMPONENTS = Variable("scale_space", "n_components", SERIES, "int64", "1", "Gaussians found")
AMPLITUDES = _gaussian("amplitude", "height")
CENTERS = _gaussian("center", "center, in the signal's x,")
SIGMAS = _gaussian("sigma", "standard width, in the signal's x,")
BASELINE = Variable("scale_space", "baseline", TERM, "float64", "", "what lies below the Gaussians")
BASELINE_KIND = Variable(
    "scale_space",
    "baseline_kind",
    SERIES,
    "int8",
    "1",
    "0: none, 1: constant, 2: linear, 3: exponential",
)
BASELINE_ORIGIN = Variable(
    "scale_space", "baseline_origin", SERIES, "float64", "", "x from which an exponential counts"
)
COMPONENT_RSS = Variable("scale_space", "rss", SERIES, "float64", "", "squared residuals, summed")
COMPONENT_NOISE = Variable("scale_space", "noise", SERIES, "float64", "", "deviation of residuals")
LAG1 = Variable("scale_space", "lag1", SERIES, "float64", "1", "autocorrelation of residuals")
CORRELATED = Variable("scale_space", "correlated", SERIES, "bool", "1", "the noise is correlated")
LACK_OF_FIT = Variable(
    "scale_space", "lack_of_fit", SERIES, "bool", "1", "residuals hold more than noise"
)
COMPONENT_STATUS = Variable(
    "scale_space",
    "component_status",
    SERIES,
    "int8",
    "1",
    "0: decomposed, 1: not finite, 2: too short, 3: straight, 4: no positions, 5: capped, "
    "6: not all determined",
)
STABLE_COUNT = Variable(
    "scale_space", "stable_count", SERIES, "int64", "1", "bulges at the most stable scale"
)
STABLE_SIGMA = Variable("scale_space", "stable_sigma", SERIES, "float64", "sample", "that scale")
STABLE_LIFETIME = Variable(
    "scale_space", "stable_lifetime", SERIES, "float64", "octave", "how long the count lasts"
)
SCALE = Variable("scale_space", "scale", SCALE_DIMS, "float64", "sample", "sigma of each scale")
CROSSING = Variable(
    "scale_space",
    "crossing",
    (*SCALE_DIMS, "rank"),
    "float64",
    "sample",
    "zero crossing of the second derivative; none where there are too many to keep",
)
N_CROSSINGS = Variable("scale_space", "n_crossings", SCALE_DIMS, "int64", "1", "zero crossings")
FAULTS = Variable("scale_space", "faults", SERIES, "int64", "1", "crossings without a finer one")
SCALE_STATUS = Variable("scale_space", "scale_status", SERIES, "int8", "1", "0: filtered; else why")
SCALE_SPACE = (
    N_COMPONENTS, *AMPLITUDES, *CENTERS, *SIGMAS, BASELINE, BASELINE_KIND, BASELINE_ORIGIN,
    COMPONENT_RSS, COMPONENT_NOISE, LAG1, CORRELATED, LACK_OF_FIT, COMPONENT_STATUS, STABLE_COUNT,
    STABLE_SIGMA, STABLE_LIFETIME, SCALE, CROSSING, N_CROSSINGS, FAULTS, SCALE_STATUS,
)  # fmt: skip


def _learned(tree: str, axis: str) -> tuple[Variable, Variable]:
    """Return what a learned rule says of every item of a kind."""
    return (
        Variable(tree, "probability", (axis, "label"), "float64", "1", "probability of each label"),
        Variable(tree, "predicted", (axis,), "int64", "1", "likeliest label, from 1; 0: not told"),
    )


LEARNED = {
    "image": _learned("learned_images", "frame"),
    "signal": _learned("learned_signals", "series"),
}

SAMPLE = ("series", "sample")
DERIVED = (
    Variable("derivatives", "value", SAMPLE, "float64", "", "a smooth network's value"),
    Variable("derivatives", "first", SAMPLE, "float64", "", "its derivative, signal per x"),
    Variable("derivatives", "second", SAMPLE, "float64", "", "its second derivative"),
    Variable("derivatives", "gaussian_first", SAMPLE, "float64", "", "derivative by filters"),
    Variable("derivatives", "gaussian_second", SAMPLE, "float64", "", "second one by filters"),
    Variable("derivatives", "sigma", SERIES, "float64", "sample", "scale of the filters"),
    Variable("derivatives", "smoothing", SERIES, "float64", "1", "weight of the squared weights"),
    Variable("derivatives", "held_out_error", SERIES, "float64", "", "error on held-out samples"),
    Variable("derivatives", "error", SERIES, "float64", "", "distance of the network, rms"),
    Variable("derivatives", "iterations", SERIES, "int64", "1", "steps of the training"),
    Variable("derivatives", "converged", SERIES, "bool", "1", "training ended by itself"),
    Variable(
        "derivatives",
        "status",
        SERIES,
        "int8",
        "1",
        "0: fitted, 1: too short, 2: constant, 3: x at one place, 4: too large; -1: not derived",
        blank=-1,
    ),
)

EVERY = (
    *IMAGES, *QUALITY, MSCN, *SIGNALS, *DESCRIPTORS, *PIECEWISE, *SCALE_SPACE,
    *LEARNED["image"], *LEARNED["signal"], *DERIVED,
)  # fmt: skip


def stacks(root: Path, tree: str, kind: str) -> list[Stack]:
    """Return the stacks of one tree of the store."""
    folder = root / tree
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [Stack.parse(kind, name) for name in names if name != "zarr.json"]


def open_variable(root: Path, variable: Variable, stack: Stack) -> xr.DataArray:
    """Open one variable lazily, labelled and chunked as it is stored."""
    group = f"{variable.tree}/{stack.name}"
    data = xr.open_zarr(str(root), group=group, consolidated=False, mask_and_scale=False)
    return variable.check(data[variable.name])
