"""Brute force, as literal as can be: a linear fit for every place of the knots, then a finer look.

Nothing here is shared with `core.piecewise`: columns 1, x and hinges, NumPy's lstsq, and a bounded
scalar search in every gap between two x.
"""

import itertools

import numpy as np
from scipy.optimize import minimize, minimize_scalar


def linear_rss(x, y, w, knots):
    """Weighted sum of squares of the best joined lines with these knots."""
    columns = np.stack([np.ones_like(x), x, *(np.maximum(x - k, 0.0) for k in knots)], axis=1)
    root = np.sqrt(w)
    c = np.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
    return float((w * (y - columns @ c) ** 2).sum())


def clean(x, y, w):
    """Samples that are there, sorted, x brought to 0..1 and y to a mean of 0."""
    there = np.isfinite(x) & np.isfinite(y) & (w > 0)
    order = np.argsort(x[there], kind="stable")
    x, y, w = x[there][order], y[there][order], w[there][order]
    return (x - x[0]) / (x[-1] - x[0]), y - np.average(y, weights=w), w


def gaps(x, min_size, breaks):
    """Choices of gaps between distinct x, one for each knot, that leave each piece its x."""
    places = np.unique(x)
    for choice in itertools.combinations(range(places.size - 1), breaks):
        ends = np.array([-1, *choice, places.size - 1])
        if (np.diff(ends) >= min_size).all():
            yield [(places[k], places[k + 1]) for k in choice]


def one_break(x, y, w, min_size):
    """Least sum of squares with one break: 9 places in each gap, then a search in the gap."""
    x, y, w = clean(x, y, w)
    best = np.inf
    for ((low, high),) in gaps(x, min_size, 1):
        grid = np.linspace(low, high, 9)
        values = [linear_rss(x, y, w, [k]) for k in grid]
        near = int(np.argmin(values))
        bounds = grid[max(near - 1, 0)], grid[min(near + 1, 8)]
        found = minimize_scalar(
            lambda k: linear_rss(x, y, w, [k]),
            bounds=bounds,
            method="bounded",
            options={"xatol": 1e-12 * max(high - low, 1e-3)},
        )
        best = min(best, found.fun, *values)
    return best


def two_breaks(x, y, w, min_size):
    """Least sum of squares with two breaks: a grid in every pair of gaps, then a local search."""
    x, y, w = clean(x, y, w)
    grids = [
        (linear_rss(x, y, w, place), place, pair)
        for pair in gaps(x, min_size, 2)
        for place in itertools.product(*(np.linspace(*gap, 5) for gap in pair))
    ]
    grids.sort(key=lambda entry: entry[0])
    best = grids[0][0]
    for _, place, pair in grids[:40]:
        found = minimize(
            lambda knots: linear_rss(x, y, w, knots),
            place,
            bounds=pair,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 400},
        )
        best = min(best, found.fun)
    return best


def segments(x, y, w, count, degree, min_size):
    """Least sum of squares of separate polynomials, over every division."""
    x, y, w = clean(x, y, w)
    cost = {}
    for first, last in itertools.combinations(range(x.size + 1), 2):
        if last - first >= min_size:
            u, root = x[first:last] - x[first:last].mean(), np.sqrt(w[first:last])
            columns = (u[:, None] ** np.arange(degree + 1)) * root[:, None]
            target = root * y[first:last]
            c = np.linalg.lstsq(columns, target, rcond=None)[0]
            cost[first, last] = float(((target - columns @ c) ** 2).sum())
    best = np.inf
    for inner in itertools.combinations(range(1, x.size), count - 1):
        parts = list(itertools.pairwise((0, *inner, x.size)))
        if all(part in cost for part in parts):
            best = min(best, sum(cost[part] for part in parts))
    return best
