"""From samples as they come to the form that every solver works on.

Each row loses its missing samples, is sorted by x, and has samples of one x merged: their weighted
mean stands for them, and what they scatter about it is a constant of the sum of squares. x becomes
u = (x - first - centre) / range, y is brought to magnitude 1 by a shift and a power of two, and so
are the weights: no later sum overflows or loses digits to an offset.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ORIGIN, CENTRE, RANGE, Y_ORIGIN, Y_SCALE, W_SCALE, WITHIN = range(7)
"""Columns of `scales`: x = origin + centre + range u; y = y_origin + y_scale v; w = w_scale q;
the normalised scatter within samples of one x."""
_TIE = 2.0**-52
"""Samples as close as this, of the range of x, count as of one x: the rounding at its ends."""
_LEAST_WEIGHT = 1e-100
"""Of the greatest; lesser ones count as this, so that no later product leaves what floats hold."""
OK, TOO_FEW, CONSTANT_X, NO_DATA, BAD_WEIGHTS, INFINITE = range(6)


@njit(nogil=True, cache=True, error_model="numpy")
def prepare_rows(
    x: Floats,
    y: Floats,
    w: Floats,
    u: Floats,
    v: Floats,
    q: Floats,
    counts: Integers,
    scales: Floats,
) -> None:
    """Prepare each row of y; x, and w, have as many rows or one; w may have none.

    u, v, q (series, sample) take the prepared x, y and weights; `counts` (series, 3) the distinct
    x, the samples used and the status; `scales` (series, 7) the columns above.
    """
    for s in range(y.shape[0]):
        weights = w[min(s, w.shape[0] - 1)] if w.shape[0] else w.ravel()
        row = x[min(s, x.shape[0] - 1)]
        used, status = _collect(row, y[s], weights, u[s], v[s], q[s])
        distinct = 0
        if status == OK:
            _sort(u[s, :used], v[s, :used], q[s, :used])
            distinct, status = _normalise(u[s, :used], v[s, :used], q[s, :used], scales[s])
        counts[s, 0], counts[s, 1], counts[s, 2] = distinct, used, status


@njit(nogil=True, cache=True, error_model="numpy")
def _collect(x: Floats, y: Floats, w: Floats, u: Floats, v: Floats, q: Floats) -> tuple[int, int]:
    """Copy the samples that are there; return their number and the row's status."""
    used, status = 0, OK
    for i in range(y.size):
        weight = w[i] if w.size else 1.0
        if weight < 0.0 or weight == math.inf:
            return 0, BAD_WEIGHTS
        if weight > 0.0 and x[i] == x[i] and y[i] == y[i]:
            if abs(x[i]) == math.inf or abs(y[i]) == math.inf:
                status = INFINITE
            u[used], v[used], q[used] = x[i], y[i], weight
            used += 1
    return used, status if used else NO_DATA


@njit(nogil=True, cache=True, error_model="numpy")
def _sort(u: Floats, v: Floats, q: Floats) -> None:
    for i in range(1, u.size):
        if u[i] < u[i - 1]:
            order = np.argsort(u, kind="mergesort")
            u[:], v[:], q[:] = u[order], v[order], q[order]
            return


@njit(nogil=True, cache=True, error_model="numpy")
def _power_of_two(value: float) -> float:
    """Return the power of two at or above the value, 1 for 0, never near the ends of range."""
    if value == 0.0:
        return 1.0
    return math.ldexp(1.0, min(max(math.frexp(value)[1], -1000), 1000))


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise(u: Floats, v: Floats, q: Floats, scales: Floats) -> tuple[int, int]:
    """Scale sorted samples in place and merge ties; return the distinct x and the status."""
    size = u.size
    origin, extent = u[0], u[size - 1] - u[0]
    if extent == 0.0:
        return 1, CONSTANT_X
    if extent == math.inf:
        return 0, INFINITE
    low, high, heaviest = _extremes(v, q)
    y_origin = 0.5 * low + 0.5 * high
    y_scale, w_scale = _power_of_two(0.5 * high - 0.5 * low), _power_of_two(heaviest)
    y_factor, w_factor = 1.0 / y_scale, 1.0 / w_scale
    for i in range(size):
        q[i] = max(q[i] * w_factor, _LEAST_WEIGHT)
        v[i] = (v[i] - y_origin) * y_factor
        u[i] = (u[i] - origin) / extent
    centre = _mean(u, q)
    for i in range(size):
        u[i] -= centre
    distinct, within = _merge(u, v, q)
    scales[ORIGIN], scales[CENTRE], scales[RANGE] = origin, centre * extent, extent
    scales[Y_ORIGIN], scales[Y_SCALE], scales[W_SCALE] = y_origin, y_scale, w_scale
    scales[WITHIN] = within
    return distinct, OK


@njit(nogil=True, cache=True, error_model="numpy")
def _extremes(v: Floats, q: Floats) -> tuple[float, float, float]:
    """Return the least and the greatest v, and the greatest q, by two interleaved searches."""
    low0 = low1 = high0 = high1 = v[0]
    most0 = most1 = q[0]
    for i in range(0, v.size - 1, 2):
        low0 = v[i] if v[i] < low0 else low0
        low1 = v[i + 1] if v[i + 1] < low1 else low1
        high0 = v[i] if v[i] > high0 else high0
        high1 = v[i + 1] if v[i + 1] > high1 else high1
        most0 = q[i] if q[i] > most0 else most0
        most1 = q[i + 1] if q[i + 1] > most1 else most1
    last = v.size - 1
    return (
        min(min(low0, low1), v[last]),
        max(max(high0, high1), v[last]),
        max(max(most0, most1), q[last]),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(u: Floats, q: Floats) -> float:
    """Weighted mean, from two interleaved sums."""
    total0 = total1 = moment0 = moment1 = 0.0
    whole = u.size - u.size % 2
    for i in range(0, whole, 2):
        total0 += q[i]
        total1 += q[i + 1]
        moment0 += q[i] * u[i]
        moment1 += q[i + 1] * u[i + 1]
    for i in range(whole, u.size):
        total0 += q[i]
        moment0 += q[i] * u[i]
    return (moment0 + moment1) / (total0 + total1)


@njit(nogil=True, cache=True, error_model="numpy")
def _merge(u: Floats, v: Floats, q: Floats) -> tuple[int, float]:
    """Merge samples of one u by their weighted mean; return the number left and the scatter."""
    last, within = u.size - 1, 0.0
    for i in range(1, u.size):
        if u[i] - u[i - 1] <= _TIE:
            last = i - 1
            break
    for i in range(last + 1, u.size):
        if u[i] - u[last] <= _TIE:
            q[last] += q[i]
            step = v[i] - v[last]
            v[last] += step * (q[i] / q[last])
            within += q[i] * step * (v[i] - v[last])
        else:
            last += 1
            u[last], v[last], q[last] = u[i], v[i], q[i]
    return last + 1, within
