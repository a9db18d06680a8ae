"""Continuous fits of one prepared series with any number of knots, and with given slopes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.piecewise import _knot_kernels as kernels
from core.piecewise._grid_kernels import best_on_grid
from core.piecewise._pair_kernels import scan_pairs
from core.piecewise.solution import LEFT, RIGHT, SLOPE, SQUARES, WEIGHT

Floats = NDArray[np.float64]

TWO_BREAK_LIMIT = 5000
"""Distinct x up to which method="auto" certifies two breaks; the time grows with their square."""
_GRID = 64
"""Candidate knots of the dynamic program."""
_STARTS = 4
"""Of its solutions, how many are refined."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One prepared series: distinct increasing u, y of magnitude 1, weights."""

    u: Floats
    y: Floats
    w: Floats


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Knots and pieces of one series in its own units."""

    knots: Floats
    pieces: Floats
    rss: float
    certified: bool


def describe_knots(row: Row, knots: Floats, slopes: Floats, certified: bool) -> Fit:
    """Solve for given knots and given or free slopes, and describe the pieces."""
    values = np.empty(knots.size + 2)
    rss = kernels.refit(row.u, row.y, row.w, knots, slopes, values)
    ends = np.concatenate([row.u[:1], knots, row.u[-1:]])
    pieces = np.zeros((knots.size + 1, 7))
    pieces[:, LEFT], pieces[:, RIGHT] = values[:-1], values[1:]
    free = np.isnan(slopes)
    pieces[:, SLOPE] = np.where(free, np.diff(values) / np.diff(ends), slopes)
    kernels.piece_moments(row.u, row.w, knots, True, pieces[:, WEIGHT:])
    pieces[~free, SQUARES] = math.inf
    return Fit(knots=knots, pieces=pieces, rss=rss, certified=certified)


def fit_knots(row: Row, breaks: int, min_size: int, slopes: Floats, method: str) -> Fit:
    """Fit a continuous line with so many breaks.

    Parameters
    ----------
    row : Row
        With points enough for the pieces.
    breaks : int
        Not 1 with free slopes and an exact method: that has kernels of its own.
    min_size : int
        Points that each piece keeps.
    slopes : (piece,) array
        Given ones in the row's units, NaN where free.
    method : str
        "auto", "exact" or "dp".

    Returns
    -------
    Fit
        The best found; certified where it is known to be the best there is.
    """
    given = not np.isnan(slopes).all()
    if breaks == 0:
        return describe_knots(row, np.empty(0), slopes, True)
    if given and breaks == 1 and method != "dp":
        return describe_knots(row, one_break_with_slopes(row, min_size, slopes), slopes, True)
    exact = not given and breaks == 2 and method != "dp"
    exact = exact and (method == "exact" or row.u.size <= TWO_BREAK_LIMIT)
    if exact:
        return describe_knots(row, _certified_pair(row, min_size, slopes), slopes, True)
    return describe_knots(row, _best_start(row, breaks, min_size, slopes), slopes, False)


def _certified_pair(row: Row, min_size: int, slopes: Floats) -> Floats:
    """Return the two knots that no admissible pair beats."""
    u, y, w = row.u, row.y, row.w
    knots, bounds = np.empty(2), np.empty(u.size)
    best = kernels.greedy(u, y, w, min_size, knots)
    best = scan_pairs(u, y, w, min_size, best, knots, bounds)
    best = kernels.rescan_pairs(u, y, w, min_size, bounds, best, knots)
    if not best < math.inf:
        return _spaced(row, 2, min_size)
    polished = knots.copy()
    return polished if kernels.polish(u, y, w, min_size, slopes, polished, 3) <= best else knots


def _best_start(row: Row, breaks: int, min_size: int, slopes: Floats) -> Floats:
    """Return the best of what the dynamic program and the greedy search lead to."""
    u, y, w = row.u, row.y, row.w
    candidates = grid_starts(row, breaks, min_size, slopes)
    least, best = math.inf, _spaced(row, breaks, min_size)
    if np.isnan(slopes).all():
        knots = np.empty(breaks)
        least = kernels.greedy(u, y, w, min_size, knots)
        best = knots if least < math.inf else best
    for knots in candidates:
        rss = kernels.settle(u, y, w, min_size, slopes, knots)
        if rss < least:
            least, best = rss, knots
    return best


def grid_starts(row: Row, breaks: int, min_size: int, slopes: Floats) -> list[Floats]:
    """Return the best knots among evenly chosen data points."""
    inner = row.u[min_size - 1 : row.u.size - min_size + 1]
    chosen = np.unique(np.linspace(0, inner.size - 1, min(_GRID, inner.size)).astype(np.int64))
    starts, rss = np.empty((_STARTS, breaks)), np.empty(_STARTS)
    best_on_grid(row.u, row.y, row.w, min_size, slopes, inner[chosen], starts, rss)
    return [knots for knots, value in zip(starts, rss, strict=True) if value < math.inf]


def _spaced(row: Row, breaks: int, min_size: int) -> Floats:
    """Return admissible knots for where no search found any: evenly many points to a piece."""
    last = np.arange(1, breaks + 1) * row.u.size // (breaks + 1) - 1
    last = np.maximum(last, min_size * np.arange(1, breaks + 1) - 1)
    return 0.5 * (row.u[last] + row.u[last + 1])


def one_break_with_slopes(row: Row, min_size: int, slopes: Floats) -> Floats:
    """Return the best knot where one slope or both are given; exact.

    With one given, its straight line is taken off and the other piece is one hinge beside a
    constant. With both, the sum of squares is a quadratic in the knot between two points.
    """
    left, right = slopes
    if not math.isnan(left) and not math.isnan(right):
        return _both_slopes(row, min_size, left, right)
    mirrored = math.isnan(left)
    slope = right if mirrored else left
    step = -1 if mirrored else 1
    u, w = np.ascontiguousarray(row.u[::step] * step), np.ascontiguousarray(row.w[::step])
    r = np.ascontiguousarray((row.y - slope * row.u)[::step])
    column = np.full((1, u.size), 1.0 / math.sqrt(w.sum()))
    kernels.project(r, w, column)
    _, knot, cell = kernels.scan(u, w, column, r, np.empty(0, np.int64), min_size, 0)
    return np.array([knot * step]) if cell >= 0 else _spaced(row, 1, min_size)


def _both_slopes(row: Row, min_size: int, left: float, right: float) -> Floats:
    u, w = row.u, row.w
    bend = right - left
    r = row.y - left * u
    total = w.sum()
    r = r - (w * r).sum() / total
    cell = np.arange(min_size - 1, u.size - min_size)
    low, high = u[cell], u[cell + 1]
    # Of points right of a cell, sums with u about its left end: each a suffix sum.
    weight = _suffix(w)[cell]
    first = _suffix(w * u)[cell] - low * weight
    moment, residual = _suffix(w * r * u)[cell], _suffix(w * r)[cell]

    def rss_change(t: Floats) -> Floats:
        hinge = first - t * weight
        squares = _suffix(w * u * u)[cell] - (low + t) * (_suffix(w * u)[cell] + hinge)
        gain = moment - (low + t) * residual
        return np.asarray(bend * (bend * (squares - hinge * hinge / total) - 2.0 * gain))

    curve = bend * (weight - weight * weight / total)
    inner = (bend * (first - first * weight / total) - residual) / curve
    places = np.stack([np.zeros(cell.size), np.clip(inner, 0.0, high - low), high - low])
    at = np.unravel_index(np.argmin(rss_change(places)), places.shape)
    return np.array([low[at[1]] + places[at]])


def _suffix(terms: Floats) -> Floats:
    """Sum of the terms behind each."""
    sums = np.cumsum(terms[::-1])[::-1]
    return np.concatenate([sums[1:], [0.0]])
