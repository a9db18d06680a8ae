"""Test of one break against none, by simulation on the very design."""

import numpy as np
from numpy.typing import NDArray

from core.piecewise import _one_break_kernels as kernels
from core.piecewise import _prepare_kernels as prepared
from core.piecewise.continuous import Row
from core.piecewise.one_break import design_table, solve_rows
from core.piecewise.params import PiecewiseParams
from core.piecewise.solution import prepare
from core.piecewise.solve import rounding_rss, row_of

Floats = NDArray[np.float64]

_BLOCK = 4096
"""Series that are simulated together."""


def null_shares(row: Row, ties: int, min_size: int, samples: int, seed: int) -> Floats:
    """Simulate what share of a line's sum of squares one break takes off pure noise, sorted.

    The share depends on the design alone, neither on the line nor on the noise's scale. `ties` are
    the samples that were merged into others: what they scatter is added as chi-square.
    """
    rng = np.random.default_rng(seed)
    design, root = design_table(row.u, row.w), np.sqrt(row.w)
    table, shares = np.empty((_BLOCK, kernels.WIDTH)), np.empty(samples)
    for first in range(0, samples, _BLOCK):
        part = shares[first : first + _BLOCK]
        noise = rng.standard_normal((part.size, row.u.size)) / root
        kernels.one_break_shared(noise, row.u, row.w, design, min_size, table[: part.size])
        gain, rss = table[: part.size, kernels.GAIN], table[: part.size, kernels.RSS]
        within = rng.chisquare(ties, part.size) if ties else 0.0
        part[:] = gain / (gain + rss + within)
    return np.sort(shares)


def no_break_pvalues(x: Floats, y: Floats, w: Floats, params: PiecewiseParams) -> Floats:
    """Return the test's p-value of each row of y; NaN where one break cannot be fitted.

    (1 + simulated shares at or above the observed one) / (1 + simulated): never 0, and valid for
    any number of simulations; 1 for a line exact but for rounding. Series of one complete design
    share its simulations.
    """
    pvalues = np.full(y.shape[0], np.nan)
    known: tuple[Row, int, Floats] | None = None
    for s in range(y.shape[0]):
        own_x, own_w = (a if a.shape[0] < 2 else a[s : s + 1] for a in (x, w))
        rows = prepare(own_x, y[s : s + 1], own_w)
        found = solve_rows(rows, params.min_size)
        if found.size[0] == 0:
            continue
        row, ties = row_of(rows, 0), int(rows.counts[0, 1] - rows.counts[0, 0])
        if known is None or known[1] != ties or not _same_design(known[0], row):
            shares = null_shares(row, ties, params.min_size, params.null_samples, params.seed)
            known = row, ties, shares
        total = found.gain[0] + found.rss[0] + rows.scales[0, prepared.WITHIN]
        share = found.gain[0] / total if total > rounding_rss(rows, 0) else 0.0
        above = params.null_samples - np.searchsorted(known[2], share)
        pvalues[s] = (1 + above) / (1 + params.null_samples)
    return pvalues


def _same_design(a: Row, b: Row) -> bool:
    return np.array_equal(a.u, b.u) and np.array_equal(a.w, b.w)
