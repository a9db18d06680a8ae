"""The solvers' common form, in normalised units, and its way back to the user's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.piecewise import _prepare_kernels as prepared
from core.piecewise.axis import Axis
from core.piecewise.params import PiecewiseParams

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEFT, RIGHT, SLOPE, CURVATURE, WEIGHT, MEAN, SQUARES = range(7)
"""Columns of a piece: its values at both ends, its slope at the left one, the curvature, and
weight, mean and sum of squares of its points' u, as the delta method counts them."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Prepared samples of some series; see `_prepare_kernels`."""

    u: Floats
    """(series, sample) array: distinct x, increasing, then padding."""
    y: Floats
    """(series, sample) array: y of magnitude 1."""
    w: Floats
    """(series, sample) array: weights of at most 1 before ties are merged."""
    counts: Integers
    """(series, 3) array: distinct x, samples used, status."""
    scales: Floats
    """(series, 7) array: how to get back."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Fits of some series in units of their rows; NaN where there is none."""

    knots: Floats
    """(series, knot) array: u of the breaks."""
    pieces: Floats
    """(series, piece, 7) array: the columns above."""
    rss: Floats
    """(series,) array: without the scatter within samples of one x."""
    gain: Floats
    """(series,) array: what one break takes off a line's rss; NaN where it was not needed."""
    size: Integers
    """(series,) array: pieces."""
    certified: NDArray[np.bool_]
    """(series,) array."""
    counts: Integers
    """(series, 3) array: as of the rows."""
    scales: Floats
    """(series, 7) array: as of the rows."""

    @classmethod
    def empty(cls, rows: int, pieces: int) -> "Solution":
        """Return room for the fits of so many series."""
        return cls(
            knots=np.full((rows, pieces - 1), np.nan),
            pieces=np.full((rows, pieces, 7), np.nan),
            rss=np.full(rows, np.nan),
            gain=np.full(rows, np.nan),
            size=np.zeros(rows, np.int64),
            certified=np.zeros(rows, np.bool_),
            counts=np.zeros((rows, 3), np.int64),
            scales=np.ones((rows, 7)),
        )

    def writable(self) -> "Solution":
        """Return a copy that shares nothing."""
        return Solution(**{name: table.copy() for name, table in vars(self).items()})

    def put(self, where: slice | Integers, other: "Solution") -> None:
        """Overwrite some series."""
        for name, table in vars(self).items():
            table[where] = getattr(other, name)

    @property
    def root_rss(self) -> Floats:
        """(series,) array: root of the sum of squares, in the user's units: no overflow."""
        scales = self.scales
        normalised = self.rss + scales[:, prepared.WITHIN]
        # Even powers of two leave the root exactly; the rest is 1 or 2.
        half = np.exp2(np.floor(0.5 * np.log2(scales[:, prepared.W_SCALE])))
        rest = scales[:, prepared.W_SCALE] / half / half
        return np.asarray(np.sqrt(normalised * rest) * half * scales[:, prepared.Y_SCALE])

    @property
    def total_rss(self) -> Floats:
        """(series,) array: sum of squares in the user's units of y and weights."""
        root = self.root_rss
        return np.asarray(root * root)


def prepare(x: Floats, y: Floats, w: Floats, room: Floats | None = None) -> Rows:
    """Prepare samples: x (1 or series, sample), y (series, sample), w like x or (0, 0).

    `room` (3, at least series, sample) takes them, if given: for block after block, fresh memory
    costs as much as the work.
    """
    u, v, q = np.empty((3, *y.shape)) if room is None else room[:, : y.shape[0]]
    counts, scales = np.zeros((y.shape[0], 3), np.int64), np.ones((y.shape[0], 7))
    prepared.prepare_rows(x, y, w, u, v, q, counts, scales)
    return Rows(u=u, y=v, w=q, counts=counts, scales=scales)


def parameters(params: PiecewiseParams, size: Integers) -> Integers:
    """Count what is fitted to a series in so many pieces: coefficients and breaks."""
    if not params.continuous:
        return size * (params.degree + 2) - 1
    return 2 * size - sum(slope is not None for slope in params.slopes or ())


def spread(solution: Solution, params: PiecewiseParams) -> tuple[Floats, Floats]:
    """Return the residual variance in normalised units and its degrees of freedom."""
    freedom = solution.counts[:, 1] - parameters(params, solution.size)
    known = np.where(freedom > 0, freedom, 1).astype(np.float64)
    variance = (solution.rss + solution.scales[:, prepared.WITHIN]) / known
    return np.where(freedom > 0, variance, np.nan), np.asarray(freedom, np.float64)


def estimates(solution: Solution, axis: Axis) -> dict[str, Floats]:
    """Return breakpoints along the axis' values, and the pieces, in the user's units of y."""
    scales = solution.scales[:, :, None]
    origin = scales[:, prepared.ORIGIN] + scales[:, prepared.CENTRE]
    extent, y_scale = scales[:, prepared.RANGE], scales[:, prepared.Y_SCALE]
    knots = origin + extent * solution.knots
    pieces = solution.pieces
    rate = y_scale / extent
    slopes, curvatures = pieces[:, :, SLOPE] * rate, pieces[:, :, CURVATURE] * rate / extent
    values = scales[:, prepared.Y_ORIGIN, None] + y_scale[..., None] * pieces[:, :, : RIGHT + 1]
    start = scales[:, prepared.ORIGIN]
    lefts = np.concatenate([start, knots], axis=1)
    back = axis.zero - lefts
    intercepts = values[:, :, LEFT] + back * (slopes + back * curvatures)
    return {
        "breakpoints": knots,
        "slopes": slopes,
        "curvatures": curvatures,
        "values": values,
        "intercepts": intercepts,
        "span": np.concatenate([start, start + extent], axis=1),
    }


def errors(solution: Solution, axis: Axis, params: PiecewiseParams) -> dict[str, Floats]:
    """Return delta-method standard errors.

    The columns of the linearised model span the separate lines of the pieces, so a break's error
    is that of two independent lines' meeting point: every term is positive.
    """
    scales = solution.scales[:, :, None]
    extent, y_scale = scales[:, prepared.RANGE], scales[:, prepared.Y_SCALE]
    pieces = solution.pieces
    variance = spread(solution, params)[0][:, None]
    if params.degree == 2 or params.loss == "huber":
        variance = np.full_like(variance, np.nan)
    weight, mean = pieces[:, :, WEIGHT], pieces[:, :, MEAN]
    squares = np.where(pieces[:, :, SQUARES] > 0.0, pieces[:, :, SQUARES], np.nan)
    if params.degree == 0:
        squares = np.full_like(squares, np.inf)
    zero = (axis.zero - scales[:, prepared.ORIGIN] - scales[:, prepared.CENTRE]) / extent
    bend = np.diff(pieces[:, :, SLOPE], axis=1)
    left = 1.0 / weight[:, :-1] + (solution.knots - mean[:, :-1]) ** 2 / squares[:, :-1]
    right = 1.0 / weight[:, 1:] + (solution.knots - mean[:, 1:]) ** 2 / squares[:, 1:]
    at_break = np.sqrt(variance * (left + right)) / np.abs(bend) * extent
    level = np.sqrt(variance * (1.0 / weight + (zero - mean) ** 2 / squares)) * y_scale
    return {
        "se_breakpoints": at_break if params.continuous else np.full_like(at_break, np.nan),
        "se_slopes": np.sqrt(variance / squares) * (y_scale / extent),
        "se_intercepts": level,
    }
