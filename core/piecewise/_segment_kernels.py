"""Separate polynomials on segments, best of all divisions: exact dynamic programming.

For every end of a segment the fits of all its beginnings grow by one point at once, each by a
Givens rotation without square roots (Gentleman 1974): their sums of squares are sums of positive
terms, so nothing cancels, whatever the offset. Loops run over the beginnings without a branch,
so that the compiler turns them into vector instructions. O(segments n^2) time, O(n) memory beside
the table of the best beginnings.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(nogil=True, cache=True, error_model="numpy")
def best_segments(
    u: Floats, y: Floats, w: Floats, degree: int, min_size: int, best: Floats, begin: Integers
) -> None:
    """Fill tables (segment, n + 1): the first e points' least sum of squares in j + 1 segments.

    It is inf where there is none; `begin` tells where the last of the segments begins.
    """
    n, columns = u.size, degree + 1
    diagonal, target, power = np.zeros((3, columns, n))
    upper = np.zeros((columns, columns, n))
    power[0] = 1.0
    rss, weight, value, share = np.zeros((4, n))
    best[:], begin[:] = np.inf, -1
    for e in range(1, n + 1):
        if degree == 0:
            _grow_means(w[e - 1], y[e - 1], diagonal[0, :e], target[0, :e], rss[:e])
        else:
            weight[:e], value[:e] = w[e - 1], y[e - 1]
            for c in range(1, columns):
                power[c, :e] = u[e - 1] ** c
            for c in range(columns):
                x = power[c, :e]
                _rotate(x, diagonal[c, :e], weight[:e], share[:e])
                _carry(x, share[:e], value[:e], target[c, :e])
                for other in range(c + 1, columns):
                    _carry(x, share[:e], power[other, :e], upper[c, other, :e])
            _accumulate(weight[:e], value[:e], rss[:e])
        if e >= min_size:
            best[0, e] = rss[0]
        for j in range(1, best.shape[0]):
            if e > min_size:
                stop = e - min_size + 1
                best[j, e], begin[j, e] = _least(best[j - 1, :stop], rss[:stop])


@njit(nogil=True, cache=True, error_model="numpy")
def _grow_means(w: float, y: float, total: Floats, mean: Floats, rss: Floats) -> None:
    """Do the same for a constant, where the rotation is Welford's update."""
    for s in range(rss.size):
        new = total[s] + w
        before = y - mean[s]
        after = before * (total[s] / new)
        mean[s] = y - after
        rss[s] += w * before * after
        total[s] = new


@njit(nogil=True, cache=True, error_model="numpy")
def _rotate(x: Floats, diagonal: Floats, weight: Floats, share: Floats) -> None:
    """Take a point with entry x into each triangle's column; what is left of its weight stays."""
    for s in range(x.size):
        total = diagonal[s] + weight[s] * (x[s] * x[s])
        inverse = 1.0 / total if total > 0.0 else 0.0
        share[s] = weight[s] * x[s] * inverse
        weight[s] *= diagonal[s] * inverse
        diagonal[s] = total


@njit(nogil=True, cache=True, error_model="numpy")
def _carry(x: Floats, share: Floats, value: Floats, column: Floats) -> None:
    """Apply the rotation to the point's further entries."""
    for s in range(x.size):
        left = value[s] - x[s] * column[s]
        value[s] = left
        column[s] += share[s] * left


@njit(nogil=True, cache=True, error_model="numpy")
def _accumulate(weight: Floats, value: Floats, rss: Floats) -> None:
    for s in range(rss.size):
        rss[s] += weight[s] * (value[s] * value[s])


@njit(nogil=True, cache=True, error_model="numpy")
def _least(before: Floats, rss: Floats) -> tuple[float, int]:
    """Least sum of the two, and the last place of it.

    Goes backwards, four at a time: a segment that begins earlier has no smaller sum of squares,
    so once that alone is above the least (but for rounding), nothing earlier can win.
    """
    least, place, s = np.inf, -1, rss.size
    while s > 0 and not rss[s - 1] * (1.0 - 1e-9) > least:
        stop = max(s - 64, 0)
        for i in range(s - 1, stop - 1, -1):
            total = before[i] + rss[i]
            if total < least:
                least, place = total, i
        s = stop
    return least, place
