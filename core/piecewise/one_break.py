"""One break, continuous, for batches: on a shared design where there is one, else row by row."""

import numpy as np
from numpy.typing import NDArray

from core.piecewise import _one_break_kernels as kernels
from core.piecewise import _prepare_kernels as prepared
from core.piecewise.solution import Rows, Solution, prepare

Floats = NDArray[np.float64]

_BLOCK = 256
"""Series that are prepared together, so that they stay in the fast caches."""
_SAFE = 1e280
"""Between its inverse and this a sum of squares was computed without under- or overflow."""


def solve_one_break(x: Floats, y: Floats, w: Floats, min_size: int, shared: bool) -> Solution:
    """Fit one break to each row of y (series, sample).

    x is (1 or series, sample), w likewise or (0, 0). Which way a series goes depends on itself
    and on `shared`, not on its company: it has the same bits in any batch, also of one series.
    """
    out, rest = None, np.arange(y.shape[0])
    if shared and y.shape[0]:
        out = _solve_shared(x, y, w, min_size)
    if out is None:
        out = Solution.empty(y.shape[0], 2)
    else:
        rest = np.flatnonzero(~((out.rss > 1.0 / _SAFE) & (out.rss + out.gain < _SAFE)))
        out = out if not rest.size else out.writable()
    room = np.empty((3, min(_BLOCK, rest.size), y.shape[1]))
    for first in range(0, rest.size, _BLOCK):
        where: slice | NDArray[np.int64] = rest[first : first + _BLOCK]
        if rest.size == y.shape[0]:
            where = slice(first, first + _BLOCK)
        own_x, own_w = (a if a.shape[0] < 2 else a[where] for a in (x, w))
        out.put(where, solve_rows(prepare(own_x, y[where], own_w, room), min_size))
    return out


def solve_rows(rows: Rows, min_size: int) -> Solution:
    """Fit one break to each prepared row."""
    table = np.full((rows.y.shape[0], kernels.WIDTH), np.nan)
    kernels.one_break_rows(rows.y, rows.u, rows.w, rows.counts, min_size, table)
    counts = rows.counts
    few = (counts[:, 2] == prepared.OK) & (counts[:, 0] < 2 * min_size)
    counts[few, 2] = prepared.TOO_FEW
    return _from_table(table, counts, rows.scales)


def shared_rows(x: Floats, w: Floats) -> tuple[Rows, NDArray[np.int64]] | None:
    """Return the design of one x and one w, and the samples' order; None where it has ties."""
    weights = w[0] if w.shape[0] else np.ones(x.shape[1])
    there = np.flatnonzero(~np.isnan(x[0]) & (weights != 0.0) & ~np.isnan(weights))
    order = there[np.argsort(x[0, there], kind="stable")]
    rows = prepare(x[:, order], np.zeros((1, order.size)), w[:, order] if w.shape[0] else w)
    return (rows, order) if rows.counts[0, 2] == 0 and rows.counts[0, 0] == order.size else None


def _solve_shared(x: Floats, y: Floats, w: Floats, min_size: int) -> Solution | None:
    """Fit on one design, if it is one; missing and extreme samples show in the sums of squares."""
    design = shared_rows(x, w)
    if design is None or design[1].size < 2 * min_size:
        return None
    rows, order = design
    if order.size < y.shape[1] or (order[1:] < order[:-1]).any():
        y = np.ascontiguousarray(y[:, order])
    table = design_table(rows.u[0], rows.w[0])
    found = np.empty((y.shape[0], kernels.WIDTH))
    kernels.one_break_shared(y, rows.u[0], rows.w[0], table, min_size, found)
    counts = np.broadcast_to(rows.counts, (y.shape[0], 3))
    return _from_table(found, counts, np.broadcast_to(rows.scales, (y.shape[0], 7)))


def design_table(u: Floats, w: Floats) -> Floats:
    """Return what the kernels need to know of a design."""
    table = np.empty((12, u.size))
    kernels.design_table(u, w, table)
    return table


def _from_table(table: Floats, counts: NDArray[np.int64], scales: Floats) -> Solution:
    fitted = counts[:, 2] == prepared.OK
    return Solution(
        knots=table[:, kernels.KNOT : kernels.KNOT + 1],
        pieces=table[:, kernels.LEFT : kernels.RSS].reshape(-1, 2, 7),
        rss=table[:, kernels.RSS],
        gain=table[:, kernels.GAIN],
        size=np.where(fitted, 2, 0),
        certified=fitted,
        counts=counts,
        scales=scales,
    )
