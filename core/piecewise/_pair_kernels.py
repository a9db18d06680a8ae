"""First stage of the certified fit with two breaks: every pair of cells against its lower bound.

Three separate lines are never worse than three joined ones, so their sum of squares bounds what a
pair of cells can reach. Where the lines meet inside both cells the bound is attained; where not,
one knot of the pair's optimum lies on a data point, which the second stage scans for.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def scan_pairs(
    u: Floats, y: Floats, w: Floats, min_size: int, best: float, knots: Floats, bounds: Floats
) -> float:
    """Lower `best` and set `knots` (2,) by pairs that attain their bound; fill `bounds` (cell,).

    A cell's bound is the least of its pairs that do not attain theirs and are below `best`; inf
    where there is none. u is distinct and increasing.
    """
    n = u.size
    left, right = np.empty((3, n)), np.empty((3, n))
    _lines(u, y, w, left)
    _lines(-u[::-1], y[::-1], w[::-1], right)
    right[:] = right[:, ::-1].copy()
    bounds[:] = np.inf
    for a in range(min_size - 1, n - 2 * min_size):
        if left[2, a] >= best:
            break
        best = _scan_second(u, y, w, a, min_size, left, right, best, knots, bounds)
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def _lines(u: Floats, y: Floats, w: Floats, out: Floats) -> None:
    """Slope, intercept and sum of squares of the line through the points up to each."""
    total = mx = my = sxx = sxy = syy = 0.0
    for i in range(u.size):
        dx, dy, share = u[i] - mx, y[i] - my, w[i] / (total + w[i])
        lever = total * share
        sxx += lever * dx * dx
        sxy += lever * dx * dy
        syy += lever * dy * dy
        mx += dx * share
        my += dy * share
        total += w[i]
        slope = sxy / sxx if sxx > 0.0 else 0.0
        out[0, i], out[1, i] = slope, my - slope * mx
        out[2, i] = max(syy - slope * sxy, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _scan_second(
    u: Floats,
    y: Floats,
    w: Floats,
    a: int,
    min_size: int,
    left: Floats,
    right: Floats,
    best: float,
    knots: Floats,
    bounds: Floats,
) -> float:
    """Try every second cell b behind the first cell a; points a+1..b lie between."""
    n = u.size
    total = mx = my = sxx = sxy = syy = 0.0
    # `right` was built on -u: its slope has the other sign.
    for b in range(a + 1, n - min_size):
        dx, dy, share = u[b] - mx, y[b] - my, w[b] / (total + w[b])
        lever = total * share
        sxx += lever * dx * dx
        sxy += lever * dx * dy
        syy += lever * dy * dy
        mx += dx * share
        my += dy * share
        total += w[b]
        if b - a < min_size:
            continue
        slope = sxy / sxx
        rss = left[2, a] + max(syy - slope * sxy, 0.0)
        if rss >= best:
            break
        rss += right[2, b + 1]
        if rss >= best:
            continue
        level = my - slope * mx
        first = _crossing(left[0, a], left[1, a], slope, level, u[a], u[a + 1])
        second = _crossing(slope, level, -right[0, b + 1], right[1, b + 1], u[b], u[b + 1])
        if first == first and second == second:
            best = rss
            knots[0], knots[1] = first, second
        else:
            bounds[a], bounds[b] = min(bounds[a], rss), min(bounds[b], rss)
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def _crossing(b0: float, a0: float, b1: float, a1: float, low: float, high: float) -> float:
    """Where two lines meet between low and high, else NaN."""
    before, after = (a1 - a0) + (b1 - b0) * low, (a1 - a0) + (b1 - b0) * high
    if before * after > 0.0 or b1 == b0:
        return np.nan
    return min(max(low + (high - low) * (before / (before - after)), low), high)
