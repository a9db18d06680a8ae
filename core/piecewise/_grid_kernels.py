"""Best knots out of a grid, for a fixed number of them: functional dynamic programming.

For each candidate and number of knots before it, the least sum of squares of the points so far is
a function of the fit's value there: a lower envelope of parabolas, each of which remembers where
it came from (after Maidstone et al. 2017, and Fearnhead et al. 2019, CPOP). The best few ends are
traced back and serve as starts. Sums are taken directly, which loses digits but only moves starts.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_KEPT = 64
"""Parabolas of an envelope that are kept; more than this were never seen to matter."""


@njit(nogil=True, cache=True, error_model="numpy")
def best_on_grid(
    u: Floats,
    y: Floats,
    w: Floats,
    min_size: int,
    slopes: Floats,
    grid: Floats,
    knots: Floats,
    rss: Floats,
) -> None:
    """Fill `knots` (start, knot) and `rss` (start,), best first; inf where there are no more.

    `slopes` (piece,) are given or NaN; `grid` are increasing places within u.
    """
    levels, size = knots.shape[1], grid.size
    ends = np.searchsorted(u, grid, side="right")
    sums = _sums(u, y, w)
    parabolas = np.empty((levels, size, _KEPT, 3))
    origin = np.empty((levels, size, _KEPT, 2), np.int64)
    kept = np.zeros((levels, size), np.int64)
    found, source = np.empty((size * _KEPT, 3)), np.empty((size * _KEPT, 2), np.int64)
    for g in range(size):
        if ends[g] >= min_size:
            _end_piece(sums, 0, ends[g], grid[g], slopes[0], parabolas[0, g, 0])
            kept[0, g] = 1
    for level in range(1, levels):
        for g in range(size):
            count = 0
            for s in range(g):
                if ends[g] - ends[s] < min_size:
                    break
                piece = _middle(sums, ends[s], ends[g], grid[s], grid[g], slopes[level])
                for k in range(kept[level - 1, s]):
                    before = parabolas[level - 1, s, k]
                    if _extend(before, piece, grid[g] - grid[s], slopes[level], found[count]):
                        source[count, 0], source[count, 1] = s, k
                        count += 1
            chosen = _envelope(found[:count])
            kept[level, g] = chosen.size
            for k in range(chosen.size):
                parabolas[level, g, k] = found[chosen[k]]
                origin[level, g, k] = source[chosen[k]]
    _trace(sums, ends, grid, min_size, slopes[-1], parabolas, origin, kept, knots, rss)


@njit(nogil=True, cache=True, error_model="numpy")
def _sums(u: Floats, y: Floats, w: Floats) -> Floats:
    """Return running sums of w, wu, wuu, wy, wuy, wyy."""
    out = np.zeros((u.size + 1, 6))
    for i in range(u.size):
        a, b = w[i], w[i] * y[i]
        out[i + 1, 0] = out[i, 0] + a
        out[i + 1, 1] = out[i, 1] + a * u[i]
        out[i + 1, 2] = out[i, 2] + a * u[i] * u[i]
        out[i + 1, 3] = out[i, 3] + b
        out[i + 1, 4] = out[i, 4] + b * u[i]
        out[i + 1, 5] = out[i, 5] + b * y[i]
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _about(sums: Floats, first: int, last: int, p: float) -> tuple[float, ...]:
    """Return sums of points first..last-1 with u about p: w, wu, wuu, wy, wuy, wyy."""
    a = sums[last] - sums[first]
    c1 = a[1] - p * a[0]
    return a[0], c1, a[2] - p * (a[1] + c1), a[3], a[4] - p * a[3], a[5]


@njit(nogil=True, cache=True, error_model="numpy")
def _end_piece(sums: Floats, first: int, last: int, p: float, slope: float, out: Floats) -> None:
    """Parabola of the first or last piece in its value at p, its slope free or given."""
    c0, c1, c2, d0, d1, yy = _about(sums, first, last, p)
    if math.isnan(slope):
        out[0], out[1], out[2] = c0 - c1 * c1 / c2, 2.0 * (c1 * d1 / c2 - d0), yy - d1 * d1 / c2
    else:
        out[0], out[1] = c0, 2.0 * (slope * c1 - d0)
        out[2] = yy + slope * (slope * c2 - 2.0 * d1)


@njit(nogil=True, cache=True, error_model="numpy")
def _middle(
    sums: Floats, first: int, last: int, start: float, stop: float, slope: float
) -> tuple[float, ...]:
    """Sum of squares of a middle piece as a form in its two end values, or in the right one."""
    if not math.isnan(slope):
        c0, c1, c2, d0, d1, yy = _about(sums, first, last, stop)
        quadratic = yy + slope * (slope * c2 - 2.0 * d1)
        return c0, 2.0 * (slope * c1 - d0), quadratic, 0.0, 0.0, 0.0
    h = stop - start
    c0, c1, c2, d0, d1, yy = _about(sums, first, last, start)
    both, right, level = c2 / (h * h), c1 / h, d1 / h
    return c0 - 2.0 * right + both, both, right - both, d0 - level, level, yy


@njit(nogil=True, cache=True, error_model="numpy")
def _extend(before: Floats, piece: tuple[float, ...], h: float, slope: float, out: Floats) -> bool:
    """Add a middle piece to a parabola and minimise over the value at its left end."""
    a, b, c = before[0], before[1], before[2]
    if not math.isnan(slope):
        shift = slope * h
        out[0], out[1] = a + piece[0], b - 2.0 * a * shift + piece[1]
        out[2] = c + shift * (a * shift - b) + piece[2]
        return True
    left, right, cross, y_left, y_right, yy = piece
    total = a + left
    if not total > 0.0:
        return False
    linear = b - 2.0 * y_left
    out[0] = right - cross * cross / total
    out[1] = -2.0 * y_right - cross * linear / total
    out[2] = c + yy - 0.25 * linear * linear / total
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _envelope(parabolas: Floats) -> Integers:
    """Return the indices of the parabolas of the lower envelope, from left to right."""
    count = parabolas.shape[0]
    chosen = np.empty(_KEPT, np.int64)
    if count == 0:
        return chosen[:0]
    now = 0
    for i in range(1, count):
        da, db, dc = parabolas[i] - parabolas[now]
        if da < 0.0 or (da == 0.0 and (db > 0.0 or (db == 0.0 and dc < 0.0))):
            now = i
    kept, x = 0, -math.inf
    while kept < _KEPT:
        chosen[kept] = now
        kept += 1
        following, nearest = -1, math.inf
        for i in range(count):
            a = parabolas[i, 0] - parabolas[now, 0]
            b = parabolas[i, 1] - parabolas[now, 1]
            c = parabolas[i, 2] - parabolas[now, 2]
            root = _goes_below(a, b, c)
            if x < root < nearest:
                following, nearest = i, root
        if following < 0:
            break
        now, x = following, nearest
    return chosen[:kept]


@njit(nogil=True, cache=True, error_model="numpy")
def _goes_below(a: float, b: float, c: float) -> float:
    """Where a x^2 + b x + c turns negative for growing x; NaN if nowhere."""
    if a == 0.0:
        return -c / b if b < 0.0 else math.nan
    inside = b * b - 4.0 * a * c
    if not inside > 0.0:
        return math.nan
    q = -0.5 * (b + math.copysign(math.sqrt(inside), b))
    first, second = q / a, c / q
    return min(first, second) if a > 0.0 else max(first, second)


@njit(nogil=True, cache=True, error_model="numpy")
def _trace(
    sums: Floats,
    ends: Integers,
    grid: Floats,
    min_size: int,
    slope: float,
    parabolas: Floats,
    origin: Integers,
    kept: Integers,
    knots: Floats,
    rss: Floats,
) -> None:
    """Add the last piece, choose the best last knots and follow each back to its first."""
    levels, size = kept.shape
    totals, at = np.full(size, np.inf), np.zeros(size, np.int64)
    last = np.empty(3)
    points = sums.shape[0] - 1
    for g in range(size):
        if points - ends[g] < min_size:
            continue
        _end_piece(sums, ends[g], points, grid[g], slope, last)
        for k in range(kept[-1, g]):
            a, b, c = parabolas[levels - 1, g, k] + last
            if c - 0.25 * b * b / a < totals[g]:
                totals[g], at[g] = c - 0.25 * b * b / a, k
    order = np.argsort(totals)
    rss[:] = np.inf
    for start in range(min(rss.size, size)):
        g = order[start]
        k = at[g]
        rss[start] = totals[g]
        if totals[g] == np.inf:
            break
        for level in range(levels - 1, -1, -1):
            knots[start, level] = grid[g]
            g, k = origin[level, g, k]
