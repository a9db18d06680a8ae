"""Intervals of breaks and slopes: by the delta method, by profile, by residual bootstrap."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from core.piecewise import _knot_kernels as knot_kernels
from core.piecewise import _one_break_kernels as kernels
from core.piecewise import _prepare_kernels as prepared
from core.piecewise.continuous import Row
from core.piecewise.one_break import design_table
from core.piecewise.params import PiecewiseParams
from core.piecewise.solution import (
    SLOPE,
    Rows,
    Solution,
    parameters,
    prepare,
    spread,
)
from core.piecewise.solve import row_of, row_slopes

Floats = NDArray[np.float64]

_BLOCK = 256
_WALK = 100
"""Data points at which a profile of one among several breaks is evaluated on each side."""
_DRAWN = 1 << 21
"""Residuals of a bootstrap that are drawn together, but one series at least."""


def t_bounds(values: Floats, se: Floats, freedom: Floats, level: float) -> Floats:
    """Return value -+ t se, as (series, ..., 2)."""
    reach = np.sqrt(_f_quantiles(freedom, level))[:, None] * se
    return np.stack([values - reach, values + reach], axis=-1)


def _f_quantiles(freedom: Floats, level: float) -> Floats:
    """F quantiles for 1 and each series' degrees of freedom; computed once for each number."""
    several, place = np.unique(freedom, return_inverse=True)
    quantiles = stats.f.ppf(level, 1, np.where(several > 0.0, several, np.nan))
    return np.asarray(quantiles, np.float64)[place]


def profile_knots(
    x: Floats, y: Floats, w: Floats, solution: Solution, params: PiecewiseParams
) -> Floats:
    """Return, in u, the ends of {psi : RSS(psi) <= RSS (1 + F(level; 1, df) / df)}.

    Exact for one break, where the profile is a ratio of quadratics between any two points; the set
    may have gaps, within its ends. Infinite where a line without a break is as good. Where one
    break fits so well that the ratio is lost in rounding, and for one of several breaks, the ends
    are searched by refits; of several the others follow by exact re-scans from the fit, in their
    order: local, and at most up to the admissible range.
    """
    out = np.full((*solution.knots.shape, 2), np.nan)
    if not solution.knots.shape[1]:
        return out
    freedom = spread(solution, params)[1]
    factor = 1.0 + _f_quantiles(freedom, params.level) / np.where(freedom > 0.0, freedom, np.nan)
    for first in range(0, y.shape[0], _BLOCK):
        where = slice(first, first + _BLOCK)
        rows = _rows(x, y, w, where)
        # Without the user's units: they may be beyond what squares of floats hold.
        scales, fitted = rows.scales, solution.scales[where]
        share = fitted[:, prepared.Y_SCALE] / scales[:, prepared.Y_SCALE]
        heavier = fitted[:, prepared.W_SCALE] / scales[:, prepared.W_SCALE]
        rss = solution.rss[where] * heavier * share * share
        allowed = rss + (rss + scales[:, prepared.WITHIN]) * (factor[where] - 1.0)
        one = solution.size[where] == 2
        if one.any():
            counts = np.where(one[:, None], rows.counts, prepared.NO_DATA)
            samples, ends = (rows.y, rows.u, rows.w), np.full((one.size, 2), np.nan)
            fit = np.ascontiguousarray(solution.knots[where, 0])
            kernels.profile_rows(*samples, counts, params.min_size, allowed, fit, ends)
            out[where, 0] = ends
        left = (solution.size[where] > 1) & (allowed >= 0.0) & np.isnan(out[where, 0, 0])
        for s in np.flatnonzero(left):
            knots = solution.knots[first + s, : solution.size[first + s] - 1]
            bounds = _walk_row(row_of(rows, int(s)), knots, allowed[s], params)
            out[first + s, : knots.size] = bounds
    return out


def _rows(x: Floats, y: Floats, w: Floats, where: slice) -> Rows:
    return prepare(x if x.shape[0] == 1 else x[where], y[where], w if w.shape[0] < 2 else w[where])


def _walk_row(row: Row, knots: Floats, allowed: float, params: PiecewiseParams) -> Floats:
    out = np.empty((knots.size, 2))
    for j in range(knots.size):
        for side, direction in enumerate((-1, 1)):
            out[j, side] = knot_kernels.profile_walk(
                row.u, row.y, row.w, params.min_size, knots, j, direction, allowed, _WALK
            )
    return out


def bootstrap(
    x: Floats, y: Floats, w: Floats, solution: Solution, params: PiecewiseParams
) -> tuple[Floats, Floats]:
    """Return percentile intervals of the knots, in u, and of the slopes, in the user's units.

    They are those of refits to the fit plus resampled residuals.

    Residuals are brought to weight 1 and widened by sqrt(n / df). One break is refitted exactly;
    several are refined from the fit's own, so that their intervals know of no other optimum.
    Every series has its own generator of the same seed.
    """
    knots = np.full((*solution.knots.shape, 2), np.nan)
    slopes = np.full((*solution.pieces.shape[:2], 2), np.nan)
    tails = 0.5 - 0.5 * params.level, 0.5 + 0.5 * params.level
    for s in range(y.shape[0]):
        pieces = int(solution.size[s])
        if pieces == 0:
            continue
        rows = _rows(x if x.shape[0] == 1 else x[s : s + 1], y[s : s + 1], _own(w, s), slice(1))
        at, rates = _refits(rows, solution, s, params)
        knots[s, : pieces - 1] = np.quantile(at, tails, axis=0).T
        rate = rows.scales[0, prepared.Y_SCALE] / rows.scales[0, prepared.RANGE]
        slopes[s, :pieces] = np.quantile(rates, tails, axis=0).T * rate
    return knots, slopes


def _own(w: Floats, s: int) -> Floats:
    return w if w.shape[0] < 2 else w[s : s + 1]


def _refits(
    rows: Rows, solution: Solution, s: int, params: PiecewiseParams
) -> tuple[Floats, Floats]:
    """Return knots (sample, knot) and slopes (sample, piece) of the resampled series."""
    row, pieces = row_of(rows, 0), int(solution.size[s])
    knots = solution.knots[s, : pieces - 1]
    given = row_slopes(rows, 0, params, pieces)
    values = np.empty(pieces + 1)
    knot_kernels.refit(row.u, row.y, row.w, knots, given, values)
    ends = np.concatenate([row.u[:1], knots, row.u[-1:]])
    fitted, root = np.interp(row.u, ends, values), np.sqrt(row.w)
    n = row.u.size
    freedom = max(n - int(parameters(params, solution.size[s])), 1)
    residual = (row.y - fitted) * root * np.sqrt(n / freedom)
    rng, samples = np.random.default_rng(params.seed), params.bootstrap_samples
    places, rates = np.empty((samples, knots.size)), np.empty((samples, pieces))
    block = max(_DRAWN // n, 1)
    for first in range(0, samples, block):
        where = slice(first, min(first + block, samples))
        drawn = residual[rng.integers(0, n, (where.stop - first, n))]
        found = _refit_all(row, fitted + drawn / root, knots, given, params)
        places[where], rates[where] = found
    return places, rates


def _refit_all(
    row: Row, series: Floats, knots: Floats, given: Floats, params: PiecewiseParams
) -> tuple[Floats, Floats]:
    """Refit each resampled series, from the knots of the fit."""
    pieces = given.size
    if knots.size == 1 and params.slopes is None:
        table = np.empty((series.shape[0], kernels.WIDTH))
        design = design_table(row.u, row.w)
        kernels.one_break_shared(series, row.u, row.w, design, params.min_size, table)
        columns = [kernels.LEFT + SLOPE, kernels.RIGHT + SLOPE]
        return table[:, kernels.KNOT : kernels.LEFT], table[:, columns]
    places, levels = np.tile(knots, (series.shape[0], 1)), np.empty((series.shape[0], pieces + 1))
    for sample, place, level in zip(series, places, levels, strict=True):
        if knots.size:
            knot_kernels.settle(row.u, sample, row.w, params.min_size, given, place)
        knot_kernels.refit(row.u, sample, row.w, place, given, level)
    outer = np.tile(row.u[[0, -1]], (series.shape[0], 1))
    widths = np.diff(np.concatenate([outer[:, :1], places, outer[:, 1:]], axis=1))
    return places, np.where(np.isnan(given), np.diff(levels) / widths, given)
