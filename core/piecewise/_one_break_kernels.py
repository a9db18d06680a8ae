"""The exact continuous fit with one break, in O(n), and its exact profile.

With the weighted line's residuals r, the hinge (u - psi)+ taken free of that line lowers the sum
of squares by N^2 det / v. N = sum w r (u - psi) over the points right of psi is linear in psi;
det and v = 1/WL + (psi-mL)^2/SL + 1/WR + (psi-mR)^2/SR come from weights W, means m and sums of
squares S of u left and right, each a sum of positive terms. Between two neighbouring points the
gain has one stationary maximum, where two separate lines meet: it counts if it lies between them,
else one of the points is best (Hudson 1966: types 1 and 2).

All of this but N depends on x and the weights alone, and stands in a table. Loops run along the
samples without a branch, or along four series at a time, so that the compiler turns them into
vector instructions without leave to reorder sums: each series has the same bits in any batch.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Cells = tuple[Floats, Floats, Floats, Floats, Floats]

WL, ML, SL, WR, MR, SR, STEP, I11, I12, I22, INVERSE, MOMENT = range(12)
"""Rows of a design's table; entry k tells of the split after point k, with psi from u[k] on."""
KNOT, LEFT, RIGHT, RSS, GAIN = 0, 1, 8, 15, 16
"""Columns of a result: the knot, seven of each piece (value at its left end, at its right end,
slope, curvature, and W, m, S of its points), the sum of squares, and what the break gains."""
WIDTH = 17
_LANES = 4
_BLOCK = 32
"""Gains whose greatest is found before its place is looked for."""
_LOST = 1e-8
"""A share of the line's sum of squares below which a profile as a difference loses its digits."""


@njit(nogil=True, cache=True, error_model="numpy")
def design_table(u: Floats, w: Floats, table: Floats) -> None:
    """Fill the (12, n) table of a design of distinct, increasing u."""
    n = u.size
    left_w = left_m = left_s = right_w = right_m = right_s = 0.0
    for i in range(n):
        away, share = u[i] - left_m, w[i] / (left_w + w[i])
        left_s += left_w * share * (away * away)
        left_m += away * share
        left_w += w[i]
        table[WL, i], table[ML, i], table[SL, i] = left_w, left_m, left_s
        j = n - 1 - i
        table[WR, j], table[MR, j], table[SR, j] = right_w, right_m, right_s
        away, share = u[j] - right_m, w[j] / (right_w + w[j])
        right_s += right_w * share * (away * away)
        right_m += away * share
        right_w += w[j]
    for k in range(n):
        table[STEP, k] = u[min(k + 1, n - 1)] - u[k]
        table[MOMENT, k] = w[k] * u[k]
    _invert(u, table[WL], table[ML], table[SL], table[WR], table[MR], table[SR], table[I11:])


@njit(nogil=True, cache=True, error_model="numpy")
def _invert(
    u: Floats, wl: Floats, ml: Floats, sl: Floats, wr: Floats, mr: Floats, sr: Floats, out: Floats
) -> None:
    """Fill i11, i12, i22 (moments about u[k]) and det / v at u[k]."""
    for k in range(u.size):
        a, b, e = 1.0 / sl[k], 1.0 / sr[k], 1.0 / wl[k] + 1.0 / wr[k]
        p, q, d = ml[k] - u[k], mr[k] - u[k], ml[k] - mr[k]
        v = e + p * p * a + q * q * b
        out[0, k], out[1, k], out[2, k] = a + b, -(p * a + q * b), v
        out[3, k] = ((a + b) * e + d * d * a * b) / v


@njit(nogil=True, cache=True, error_model="numpy")
def _cells(table: Floats, min_size: int) -> Cells:
    """Return what the gains of the admissible cells need.

    Slices, because a loop from 0 needs no check for negative indices; made once, because slicing
    for each series would tell.
    """
    lo, hi = min_size - 1, table.shape[1] - min_size
    i11, i12, i22 = table[I11, lo:hi], table[I12, lo:hi], table[I22, lo:hi]
    return table[STEP, lo:hi], i11, i12, i22, table[INVERSE, lo:hi]


@njit(nogil=True, cache=True, error_model="numpy")
def one_break_shared(
    y: Floats, u: Floats, w: Floats, table: Floats, min_size: int, out: Floats
) -> None:
    """Fit each row of y on one design, into `out` (series, 17)."""
    n = u.size
    r0, r1, scratch = np.zeros((_LANES, n)), np.zeros((_LANES, n)), np.empty(n)
    means, slopes = np.empty(_LANES), np.empty(_LANES)
    cells, moment, step = _cells(table, min_size), table[MOMENT], table[STEP]
    last = y.shape[0] - 1
    for first in range(0, last + 1, _LANES):
        rows = y[first], y[min(first + 1, last)], y[min(first + 2, last)], y[min(first + 3, last)]
        for lane in range(_LANES):
            means[lane], slopes[lane] = _line(rows[lane], w, moment, table)
        _suffix_sums(rows, u, w, step, means, slopes, r0, r1)
        for lane in range(min(_LANES, last + 1 - first)):
            line, r = (means[lane], slopes[lane]), (r0[lane], r1[lane])
            _best(rows[lane], u, w, table, cells, min_size, line, r, scratch, out, first + lane)


@njit(nogil=True, cache=True, error_model="numpy")
def one_break_rows(
    y: Floats, u: Floats, w: Floats, counts: Integers, min_size: int, out: Floats
) -> None:
    """Fit each prepared row that has points enough, with its own u and weights.

    Its table is reshaped to fit: rows of a wider one would compile to slower, strided loops.
    """
    room, scratch = np.empty(12 * u.shape[1]), np.empty(u.shape[1])
    r0, r1 = np.empty(u.shape[1]), np.empty(u.shape[1])
    for s in range(y.shape[0]):
        n = counts[s, 0]
        if counts[s, 2] != 0 or n < 2 * min_size:
            continue
        own, row, x, q = room[: 12 * n].reshape(12, n), y[s, :n], u[s, :n], w[s, :n]
        design_table(x, q, own)
        line = _line(row, q, own[MOMENT], own)
        r = r0[:n], r1[:n]
        _suffix_sums_of_one(row, x, q, own[STEP], line, r[0], r[1])
        cells = _cells(own, min_size)
        _best(row, x, q, own, cells, min_size, line, r, scratch[:n], out, s)


@njit(nogil=True, cache=True, error_model="numpy")
def _line(y: Floats, w: Floats, wu: Floats, table: Floats) -> tuple[float, float]:
    """Return mean and slope of the weighted line; four sums side by side, no reordering."""
    y0, n = y[0], y.size
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        d0, d1, d2, d3 = y[i] - y0, y[i + 1] - y0, y[i + 2] - y0, y[i + 3] - y0
        a0 += w[i] * d0
        a1 += w[i + 1] * d1
        a2 += w[i + 2] * d2
        a3 += w[i + 3] * d3
        b0 += wu[i] * d0
        b1 += wu[i + 1] * d1
        b2 += wu[i + 2] * d2
        b3 += wu[i + 3] * d3
    for i in range(whole, n):
        a0 += w[i] * (y[i] - y0)
        b0 += wu[i] * (y[i] - y0)
    mean = y0 + ((a0 + a1) + (a2 + a3)) / table[WL, n - 1]
    return mean, ((b0 + b1) + (b2 + b3)) / table[SL, n - 1]


@njit(nogil=True, cache=True, error_model="numpy")
def _suffix_sums(
    y: tuple[Floats, Floats, Floats, Floats],
    u: Floats,
    w: Floats,
    step: Floats,
    mean: Floats,
    slope: Floats,
    r0: Floats,
    r1: Floats,
) -> None:
    """Sum the residuals r of four series over the points right of k: w r, and w r (u - u[k])."""
    y0, y1, y2, y3 = y
    m0, m1, m2, m3 = mean[0], mean[1], mean[2], mean[3]
    s0, s1, s2, s3 = slope[0], slope[1], slope[2], slope[3]
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = d = 0.0
    for k in range(step.size):
        b0 -= d * a0
        b1 -= d * a1
        b2 -= d * a2
        b3 -= d * a3
        a0 -= w[k] * ((y0[k] - m0) - s0 * u[k])
        a1 -= w[k] * ((y1[k] - m1) - s1 * u[k])
        a2 -= w[k] * ((y2[k] - m2) - s2 * u[k])
        a3 -= w[k] * ((y3[k] - m3) - s3 * u[k])
        r0[0, k], r0[1, k], r0[2, k], r0[3, k] = a0, a1, a2, a3
        r1[0, k], r1[1, k], r1[2, k], r1[3, k] = b0, b1, b2, b3
        d = step[k]


@njit(nogil=True, cache=True, error_model="numpy")
def _suffix_sums_of_one(
    y: Floats, u: Floats, w: Floats, step: Floats, line: tuple[float, float], r0: Floats, r1: Floats
) -> None:
    a = b = d = 0.0
    for k in range(step.size):
        b -= d * a
        a -= w[k] * ((y[k] - line[0]) - line[1] * u[k])
        r0[k], r1[k] = a, b
        d = step[k]


@njit(nogil=True, cache=True, error_model="numpy")
def _gains(r0: Floats, r1: Floats, cells: Cells, out: Floats) -> None:
    """Gain of each cell: of the two lines' meeting point if inside, else of psi = u[k]."""
    step, i11, i12, i22, inverse = cells
    for k in range(out.size):
        a, b = r1[k], r0[k]
        q1, q2 = i11[k] * a + i12[k] * b, i12[k] * a + i22[k] * b
        inside = q2 * (q2 + step[k] * q1) < 0.0
        out[k] = q1 * a + q2 * b if inside else a * a * inverse[k]


@njit(nogil=True, cache=True, error_model="numpy")
def _argmax(values: Floats) -> int:
    """Place of the greatest, the first of equals; 0 if all are NaN."""
    n = values.size
    best, block = -1.0, 0
    for first in range(0, n, _BLOCK):
        m0 = m1 = m2 = m3 = -1.0
        stop = min(first + _BLOCK, n)
        whole = stop - (stop - first) % 4
        for i in range(first, whole, 4):
            m0 = values[i] if values[i] > m0 else m0
            m1 = values[i + 1] if values[i + 1] > m1 else m1
            m2 = values[i + 2] if values[i + 2] > m2 else m2
            m3 = values[i + 3] if values[i + 3] > m3 else m3
        for i in range(whole, stop):
            m0 = values[i] if values[i] > m0 else m0
        greatest = max(max(m0, m1), max(m2, m3))
        if greatest > best:
            best, block = greatest, first
    for k in range(block, min(block + _BLOCK, n)):
        if values[k] == best:
            return k
    return 0


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _best(
    y: Floats,
    u: Floats,
    w: Floats,
    table: Floats,
    cells: Cells,
    min_size: int,
    line: tuple[float, float],
    r: tuple[Floats, Floats],
    scratch: Floats,
    out: Floats,
    s: int,
) -> None:
    """Find the best break among the cells that leave each side its points; describe it in out[s].

    Inlined, as what it calls last: handing over so many arrays would cost as much as 40 samples.
    """
    r0, r1 = r
    lo, hi = min_size - 1, u.size - min_size
    gains = scratch[lo:hi]
    _gains(r0[lo:hi], r1[lo:hi], cells, gains)
    k = lo + _argmax(gains)
    q1 = table[I11, k] * r1[k] + table[I12, k] * r0[k]
    q2 = table[I12, k] * r1[k] + table[I22, k] * r0[k]
    t = -q2 / q1 if q2 * (q2 + table[STEP, k] * q1) < 0.0 else 0.0
    gain = scratch[k]
    # The last cell's right end belongs to no other cell.
    end = hi - 1
    last = r1[end] - table[STEP, end] * r0[end]
    det, v = _det_and_v(table, end, u[hi])
    if last * last * det > gain * v:
        k, t, gain = end, table[STEP, end], last * last * (det / v)
    knot = min(u[k] + t, u[k + 1]) if t < table[STEP, k] else u[k + 1]
    det, v = _det_and_v(table, k, knot)
    bend = (r1[k] - t * r0[k]) * (det / v)
    out[s, GAIN] = gain
    _describe(y, u, w, table, line, k, knot, bend, scratch, out, s)


@njit(nogil=True, cache=True, error_model="numpy")
def _det_and_v(table: Floats, k: int, psi: float) -> tuple[float, float]:
    a, b, e = 1.0 / table[SL, k], 1.0 / table[SR, k], 1.0 / table[WL, k] + 1.0 / table[WR, k]
    p, q, d = psi - table[ML, k], psi - table[MR, k], table[ML, k] - table[MR, k]
    return (a + b) * e + d * d * a * b, e + p * p * a + q * q * b


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _describe(
    y: Floats,
    u: Floats,
    w: Floats,
    table: Floats,
    line: tuple[float, float],
    k: int,
    knot: float,
    bend: float,
    scratch: Floats,
    out: Floats,
    s: int,
) -> None:
    """Write knot, pieces and the sum of squared residuals for a break in cell k."""
    n = u.size
    beyond = table[WR, k] * (table[MR, k] - knot)
    mean = line[0] - bend * beyond / table[WL, n - 1]
    slope = line[1] - bend * (table[SR, k] + table[MR, k] * beyond) / table[SL, n - 1]
    _squares(y, u, w, mean, slope, bend, knot, scratch)
    out[s, RSS] = _total(scratch)
    at_knot = mean + slope * knot
    out[s, KNOT] = knot
    out[s, LEFT], out[s, LEFT + 1], out[s, LEFT + 2] = mean + slope * u[0], at_knot, slope
    out[s, RIGHT], out[s, RIGHT + 1] = at_knot, at_knot + (slope + bend) * (u[n - 1] - knot)
    out[s, RIGHT + 2] = slope + bend
    out[s, LEFT + 3] = out[s, RIGHT + 3] = 0.0
    # For the errors, a point on the knot belongs to the right piece, as in R's segmented.
    j = max(k - 1, 0) if knot == u[k] else k
    for i in range(3):
        out[s, LEFT + 4 + i], out[s, RIGHT + 4 + i] = table[WL + i, j], table[WR + i, j]


@njit(nogil=True, cache=True, error_model="numpy")
def _squares(
    y: Floats,
    u: Floats,
    w: Floats,
    mean: float,
    slope: float,
    bend: float,
    knot: float,
    out: Floats,
) -> None:
    for i in range(y.size):
        beyond = u[i] - knot
        beyond = beyond if beyond > 0.0 else 0.0
        r = (y[i] - mean) - slope * u[i] - bend * beyond
        out[i] = w[i] * (r * r)


@njit(nogil=True, cache=True, error_model="numpy")
def _total(values: Floats) -> float:
    n = values.size
    whole = n - n % 4
    a0 = a1 = a2 = a3 = 0.0
    for i in range(0, whole, 4):
        a0 += values[i]
        a1 += values[i + 1]
        a2 += values[i + 2]
        a3 += values[i + 3]
    for i in range(whole, n):
        a0 += values[i]
    return (a0 + a1) + (a2 + a3)


@njit(nogil=True, cache=True, error_model="numpy")
def profile_rows(
    y: Floats,
    u: Floats,
    w: Floats,
    counts: Integers,
    min_size: int,
    allowed: Floats,
    knots: Floats,
    out: Floats,
) -> None:
    """Find the ends of the set of psi at which the rss is at most `allowed` (series,).

    Exact: in each cell the condition N^2 det >= (rss of the line - allowed) v is a quadratic
    inequality. Infinite where the line itself is within what is allowed. The fitted knot (series,)
    is always between the ends. NaN is left where `allowed` is lost in the rounding of the line's
    sum of squares.
    """
    room, scratch = np.empty(12 * u.shape[1]), np.empty(u.shape[1])
    r0, r1 = np.empty(u.shape[1]), np.empty(u.shape[1])
    for s in range(y.shape[0]):
        n = counts[s, 0]
        if counts[s, 2] != 0 or n < 2 * min_size or not allowed[s] >= 0.0:
            continue
        own, row, x, q = room[: 12 * n].reshape(12, n), y[s, :n], u[s, :n], w[s, :n]
        design_table(x, q, own)
        line = _line(row, q, own[MOMENT], own)
        _suffix_sums_of_one(row, x, q, own[STEP], line, r0[:n], r1[:n])
        _squares(row, x, q, line[0], line[1], 0.0, 0.0, scratch[:n])
        line_rss = _total(scratch[:n])
        needed = line_rss - allowed[s]
        if needed > 0.0 and allowed[s] < _LOST * line_rss:
            continue
        out[s, 0], out[s, 1] = -math.inf, math.inf
        if needed > 0.0:
            _profile(x, own, min_size, r0, r1, needed, out[s])
            out[s, 0], out[s, 1] = min(out[s, 0], knots[s]), max(out[s, 1], knots[s])


@njit(nogil=True, cache=True, error_model="numpy")
def _profile(
    u: Floats, table: Floats, min_size: int, r0: Floats, r1: Floats, needed: float, out: Floats
) -> None:
    low, high = math.inf, -math.inf
    for k in range(min_size - 1, u.size - min_size):
        det, constant = _det_and_v(table, k, u[k])
        # With t = psi - u[k]: (r1 - t r0)^2 det - needed v(t) = a t^2 - 2 b t + c >= 0.
        a = r0[k] * r0[k] * det - needed * table[I11, k]
        b = r0[k] * r1[k] * det + needed * table[I12, k]
        c = r1[k] * r1[k] * det - needed * constant
        d = table[STEP, k]
        root = math.sqrt(b * b - a * c) if b * b >= a * c else math.nan
        # A double root of b = 0 and the ends: every one that satisfies the condition counts.
        far = b + root if b >= 0.0 else b - root
        for t in (0.0, d, far / a, c / far):
            if 0.0 <= t <= d:
                crossing = t != 0.0 and t != d
                if crossing or (a * t - 2.0 * b) * t + c >= 0.0:
                    low, high = min(low, u[k] + t), max(high, u[k] + t)
    out[0], out[1] = low, high
