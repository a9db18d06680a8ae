"""From samples to solutions: which solver serves which request, and how many pieces to take."""

import math

import numpy as np
from numpy.typing import NDArray

from core.piecewise import _prepare_kernels as prepared
from core.piecewise.continuous import Fit, Row, fit_knots
from core.piecewise.integral import fit_integral
from core.piecewise.one_break import solve_one_break, solve_rows
from core.piecewise.params import PiecewiseParams
from core.piecewise.segments import fit_segments
from core.piecewise.solution import Rows, Solution, parameters, prepare

Floats = NDArray[np.float64]

_BLOCK = 64
"""Series that are prepared together."""


def solve(x: Floats, y: Floats, w: Floats, params: PiecewiseParams, shared: bool) -> Solution:
    """Fit each row of y (series, sample); x (1 or series, sample), w likewise or (0, 0).

    `shared`: x and w are those of every series, and their design is worth a table.
    """
    if has_one_break_kernels(params):
        return solve_one_break(x, y, w, params.min_size, shared)
    out = Solution.empty(y.shape[0], params.most)
    for first in range(0, y.shape[0], _BLOCK):
        where = slice(first, first + _BLOCK)
        rows = prepare(
            x if x.shape[0] == 1 else x[where], y[where], w if w.shape[0] <= 1 else w[where]
        )
        out.counts[where], out.scales[where] = rows.counts, rows.scales
        for s in range(rows.y.shape[0]):
            _solve_one(rows, s, params, out, first + s)
    return out


def has_one_break_kernels(params: PiecewiseParams) -> bool:
    """Tell whether the batch kernels of one break serve the request."""
    one = params.continuous and params.n_segments == 2 and params.slopes is None
    return one and params.method in ("auto", "exact")


def row_of(rows: Rows, s: int) -> Row:
    """Return one prepared series without its padding."""
    n = rows.counts[s, 0]
    return Row(u=rows.u[s, :n], y=rows.y[s, :n], w=rows.w[s, :n])


def row_slopes(rows: Rows, s: int, params: PiecewiseParams, pieces: int) -> Floats:
    """Return the given slopes in a prepared series' units, NaN where free."""
    if params.slopes is None:
        return np.full(pieces, np.nan)
    given = np.array([math.nan if slope is None else slope for slope in params.slopes])
    scales = rows.scales[s]
    return np.asarray(given * scales[prepared.RANGE] / scales[prepared.Y_SCALE])


def _solve_one(rows: Rows, s: int, params: PiecewiseParams, out: Solution, place: int) -> None:
    """Fit one prepared series into its place, or leave it out with its status."""
    least = 1 if params.n_segments == "auto" else params.n_segments
    if rows.counts[s, 2] == prepared.OK and rows.counts[s, 0] < least * params.min_size:
        out.counts[place, 2] = prepared.TOO_FEW
    if out.counts[place, 2] != prepared.OK:
        return
    fit = _choose(_fits(rows, s, params), rows, s, params)
    pieces = fit.pieces.shape[0]
    out.knots[place, : pieces - 1], out.pieces[place, :pieces] = fit.knots, fit.pieces
    out.rss[place], out.certified[place], out.size[place] = fit.rss, fit.certified, pieces


def _fits(rows: Rows, s: int, params: PiecewiseParams) -> list[Fit]:
    """Return the fits to choose from: one, or one for each number of pieces."""
    row, size = row_of(rows, s), params.min_size
    auto = params.n_segments == "auto"
    if not params.continuous:
        fits = fit_segments(row, params.most, params.degree, size)
        return fits if auto else fits[-1:]
    if params.method == "integral":
        return [fit_integral(row, size)]
    most = min(params.most, row.u.size // size)
    return [_continuous(rows, s, pieces, params) for pieces in range(1 if auto else most, most + 1)]


def _continuous(rows: Rows, s: int, pieces: int, params: PiecewiseParams) -> Fit:
    row, slopes = row_of(rows, s), row_slopes(rows, s, params, pieces)
    if pieces != 2 or params.slopes is not None or params.method == "dp":
        return fit_knots(row, pieces - 1, params.min_size, slopes, params.method)
    alone = {name: table[s : s + 1].copy() for name, table in vars(rows).items()}
    found = solve_rows(Rows(**alone), params.min_size)
    return Fit(
        knots=found.knots[0], pieces=found.pieces[0], rss=float(found.rss[0]), certified=True
    )


def rounding_rss(rows: Rows, s: int) -> float:
    """Return what sum of squares of a prepared series may be no more than the rounding of y."""
    largest = 1.0 + abs(rows.scales[s, prepared.Y_ORIGIN]) / rows.scales[s, prepared.Y_SCALE]
    rounding = 16.0 * np.finfo(float).eps * largest
    heaviest = rows.w[s, : rows.counts[s, 0]].max()
    return float(rows.counts[s, 1] * rounding**2 * heaviest)


def _choose(fits: list[Fit], rows: Rows, s: int, params: PiecewiseParams) -> Fit:
    """Take the fit of the least criterion; of equals the one with fewer pieces."""
    within, n = rows.scales[s, prepared.WITHIN], int(rows.counts[s, 1])
    # A perfect fit has no logarithm: below the rounding of y all fits are equal.
    floor = rounding_rss(rows, s)
    values = [
        n * math.log(max(fit.rss + within, floor) / n)
        + penalty(params, np.array(fit.pieces.shape[0]), n)
        for fit in fits
    ]
    return fits[int(np.argmin(values))]


def penalty(params: PiecewiseParams, pieces: NDArray[np.int64], n: int) -> float:
    """Return what a criterion adds to n log(rss / n) for a fit of so many pieces.

    With p coefficients and breaks: bic p log n, aic 2 p, lwz 0.299 p (log n)^2.1 (Liu, Wu, Zidek
    1997), and bic3 one log n more for each break than bic.
    """
    count, log = float(parameters(params, pieces)), math.log(n)
    terms: dict[str, float] = {
        "bic3": (count + float(pieces) - 1.0) * log,
        "bic": count * log,
        "aic": 2.0 * count,
        "lwz": 0.299 * count * log**2.1,
    }
    return terms[params.criterion]
