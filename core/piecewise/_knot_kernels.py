"""Continuous fits with any number of knots: solve for given knots, and move knots downhill.

`refit` takes the values at the knots for unknowns (hat functions): each point touches two of them,
and the problem is well conditioned wherever the knots lie. `polish` moves all knots to where
separate lines of neighbouring pieces meet, which is the Gauss-Newton step. `scan` finds the best
place of one more knot among all, exactly; `sweep` repeats it knot by knot.

The kernels call each other, so they share this file: Numba's cache would miss edits elsewhere.
A knot's cell c says that points 0..c lie left of it; u[c] <= knot <= u[c + 1].
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_HALVINGS, _FINE = 60, 1e-9
"""An end of a profile is halved so often, or to this part of its way from the knot."""
_SPAN = 1e-13
"""What of a squared norm must be left, after projection, to be more than rounding."""


@njit(nogil=True, cache=True, error_model="numpy")
def refit(u: Floats, y: Floats, w: Floats, knots: Floats, slopes: Floats, values: Floats) -> float:
    """Solve for the values at both ends and the knots; return the sum of squares.

    `slopes` (piece,) holds a slope where it is given, else NaN. `values` has knots + 2 entries.
    A second solve for the residuals repairs what the first lost to rounding.
    """
    nodes = knots.size + 2
    ends = np.empty(nodes)
    ends[0], ends[1:-1], ends[-1] = u[0], knots, u[-1]
    group = np.zeros(nodes, np.int64)
    values[0] = 0.0
    for j in range(1, nodes):
        given = not math.isnan(slopes[j - 1])
        group[j] = group[j - 1] + (0 if given else 1)
        values[j] = values[j - 1] + slopes[j - 1] * (ends[j] - ends[j - 1]) if given else 0.0
    residual = np.empty(u.size)
    for _ in range(2):
        _subtract(u, y, ends, values, residual)
        _solve(u, residual, w, ends, group, values)
    _subtract(u, y, ends, values, residual)
    rss = 0.0
    for i in range(u.size):
        rss += w[i] * residual[i] * residual[i]
    return rss


@njit(nogil=True, cache=True, error_model="numpy")
def _subtract(u: Floats, y: Floats, ends: Floats, values: Floats, residual: Floats) -> None:
    j = 0
    for i in range(u.size):
        while j < ends.size - 2 and u[i] > ends[j + 1]:
            j += 1
        share = (u[i] - ends[j]) / (ends[j + 1] - ends[j])
        residual[i] = y[i] - (values[j] * (1.0 - share) + values[j + 1] * share)


@njit(nogil=True, cache=True, error_model="numpy")
def _solve(u: Floats, y: Floats, w: Floats, ends: Floats, group: Integers, values: Floats) -> None:
    """Add to the values the least-squares fit of y; nodes of one group move together.

    By Givens rotations without square roots (Gentleman 1974): a point touches two groups at most,
    so the triangle is a diagonal and what lies beside it; nothing is squared or cancelled.
    """
    size = group[-1] + 1
    diagonal, beside, target = np.zeros(size), np.zeros(size), np.zeros(size)
    j = 0
    for i in range(u.size):
        while j < ends.size - 2 and u[i] > ends[j + 1]:
            j += 1
        b = (u[i] - ends[j]) / (ends[j + 1] - ends[j])
        a, g, weight, left = 1.0 - b, group[j], w[i], y[i]
        if group[j + 1] == g:
            a, b = 1.0, 0.0
        total = diagonal[g] + weight * a * a
        if total > 0.0:
            share = weight * a / total
            weight *= diagonal[g] / total
            diagonal[g] = total
            b -= a * beside[g]
            beside[g] += share * b
            left -= a * target[g]
            target[g] += share * left
        h = group[j + 1]
        total = diagonal[h] + weight * b * b
        if h > g and total > diagonal[h]:
            target[h] += weight * b / total * (left - b * target[h])
            diagonal[h] = total
    for g in range(size - 2, -1, -1):
        target[g] -= beside[g] * target[g + 1]
    for j in range(group.size):
        values[j] += target[group[j]]


@njit(nogil=True, cache=True, error_model="numpy")
def piece_moments(u: Floats, w: Floats, knots: Floats, right_owns: bool, moments: Floats) -> None:
    """Fill (piece, 3): weight, mean and sum of squares of each piece's u.

    A point on a knot belongs to the piece on its right, or on its left.
    """
    moments[:] = 0.0
    j = 0
    for i in range(u.size):
        while j < knots.size and (u[i] > knots[j] or (right_owns and u[i] == knots[j])):
            j += 1
        away, share = u[i] - moments[j, 1], w[i] / (moments[j, 0] + w[i])
        moments[j, 2] += moments[j, 0] * share * (away * away)
        moments[j, 1] += away * share
        moments[j, 0] += w[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _meet(u: Floats, y: Floats, w: Floats, knots: Floats, slopes: Floats, out: Floats) -> bool:
    """Put into `out` where the separate lines of neighbouring pieces meet; False if nowhere."""
    mx = my = sxx = sxy = total = 0.0
    previous_slope = previous_level = 0.0
    j = 0
    for i in range(u.size + 1):
        while i == u.size or (j < knots.size and u[i] >= knots[j]):
            slope = slopes[j] if not math.isnan(slopes[j]) else sxy / sxx
            level = my - slope * mx
            if j > 0:
                out[j - 1] = (level - previous_level) / (previous_slope - slope)
                if not u[0] < out[j - 1] < u[-1] or (j > 1 and out[j - 1] <= out[j - 2]):
                    return False
            previous_slope, previous_level = slope, level
            mx = my = sxx = sxy = total = 0.0
            if i == u.size:
                return True
            j += 1
        dx, dy, share = u[i] - mx, y[i] - my, w[i] / (total + w[i])
        sxx += total * share * (dx * dx)
        sxy += total * share * (dx * dy)
        mx += dx * share
        my += dy * share
        total += w[i]
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def find_cells(u: Floats, knots: Floats, min_size: int, cells: Integers) -> bool:
    """Find each knot's cell; False if a piece would hold fewer points than `min_size`."""
    ahead = -1
    for j in range(knots.size):
        cell = np.searchsorted(u, knots[j], side="right") - 1
        if cell >= 1 and u[cell] == knots[j] and cell - 1 - ahead >= min_size:
            cell -= 1
        if cell - ahead < min_size:
            return False
        cells[j] = ahead = cell
    return u.size - 1 - ahead >= min_size


@njit(nogil=True, cache=True, error_model="numpy")
def polish(
    u: Floats, y: Floats, w: Floats, min_size: int, slopes: Floats, knots: Floats, steps: int
) -> float:
    """Move all knots by Gauss-Newton steps, halved until they help; return the sum of squares."""
    size = knots.size
    target, trial, values = np.empty(size), np.empty(size), np.empty(size + 2)
    cells = np.empty(size, np.int64)
    best = refit(u, y, w, knots, slopes, values)
    for _ in range(steps):
        if not _meet(u, y, w, knots, slopes, target):
            break
        before, length = best, 1.0
        for _ in range(6):
            trial[:] = knots + length * (target - knots)
            if find_cells(u, trial, min_size, cells):
                rss = refit(u, y, w, trial, slopes, values)
                if rss < best:
                    best = rss
                    knots[:] = trial
                    break
            length *= 0.5
        if not best < before * (1.0 - 1e-14):
            break
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def basis(u: Floats, w: Floats, knots: Floats, columns: Floats) -> int:
    """Fill rows with an orthonormal basis of 1, u and the hinges; return how many there are."""
    columns[0], columns[1] = 1.0, u
    for j in range(2):
        if not _orthonormal(columns[j], w, columns[:j]):
            return j
    for j in range(knots.size):
        if not hinge(u, w, knots[j], columns, 2 + j):
            return 2 + j
    return knots.size + 2


@njit(nogil=True, cache=True, error_model="numpy")
def hinge(u: Floats, w: Floats, knot: float, columns: Floats, at: int) -> bool:
    """Fill row `at` with what a hinge adds to the rows before; False if that is rounding."""
    for i in range(u.size):
        columns[at, i] = max(u[i] - knot, 0.0)
    return _orthonormal(columns[at], w, columns[:at])


@njit(nogil=True, cache=True, error_model="numpy")
def _orthonormal(column: Floats, w: Floats, columns: Floats) -> bool:
    """Take the other columns out of one, twice against rounding, and bring it to norm 1."""
    before = project(column, w, columns[:0])
    project(column, w, columns)
    norm = project(column, w, columns)
    column *= 1.0 / math.sqrt(norm)
    return norm > _SPAN * _SPAN * before


@njit(nogil=True, cache=True, error_model="numpy")
def project(y: Floats, w: Floats, columns: Floats) -> float:
    """Take the columns out of y, in place; return its sum of squares."""
    for j in range(columns.shape[0]):
        part = 0.0
        for i in range(y.size):
            part += w[i] * columns[j, i] * y[i]
        for i in range(y.size):
            y[i] -= part * columns[j, i]
    square = 0.0
    for i in range(y.size):
        square += w[i] * y[i] * y[i]
    return square


@njit(nogil=True, cache=True, error_model="numpy")
def scan(
    u: Floats,
    w: Floats,
    columns: Floats,
    r: Floats,
    cells: Integers,
    min_size: int,
    slack: int,
) -> tuple[float, float, int]:
    """Find the best hinge beside the columns, given residuals r: gain, knot and cell, or -1.

    It keeps `min_size` cells away from those of other knots, from above `slack` fewer.
    """
    n, p = u.size, columns.shape[0]
    q0, q1 = np.zeros(p), np.zeros(p)
    r0 = r1 = c0 = c1 = c2 = best = 0.0
    knot, cell = math.nan, -1
    for k in range(n - 2, -1, -1):
        # Sums over the points right of k, with moments about u[k].
        weight, d = w[k + 1], u[k + 1] - u[k]
        r0 += weight * r[k + 1]
        c0 += weight
        c2 += d * (2.0 * c1 + d * c0)
        c1 += d * c0
        r1 += d * r0
        m11, m12, m22 = c2, c1, c0
        for j in range(p):
            q0[j] += weight * columns[j, k + 1]
            q1[j] += d * q0[j]
            m11 -= q1[j] * q1[j]
            m12 -= q1[j] * q0[j]
            m22 -= q0[j] * q0[j]
        if k + 1 < min_size or n - 1 - k < min_size or _near(cells, k, min_size, slack):
            continue
        if m11 > 100.0 * _SPAN * c2 and r1 * r1 > best * m11:
            best, knot, cell = r1 * r1 / m11, u[k], k
        a, square = r1 - d * r0, m11 - d * (2.0 * m12 - d * m22)
        if square > 100.0 * _SPAN * (c2 - d * (2.0 * c1 - d * c0)) and a * a > best * square:
            best, knot, cell = a * a / square, u[k + 1], k
        det = m11 * m22 - m12 * m12
        if det > _SPAN * c2 * c0:
            gain = (r1 * (m22 * r1 - 2.0 * m12 * r0) + m11 * r0 * r0) / det
            t = (r0 * m11 - r1 * m12) / (r0 * m12 - r1 * m22)
            if gain > best and 0.0 < t < d:
                best, knot, cell = gain, u[k] + t, k
    return best, knot, cell


@njit(nogil=True, cache=True, error_model="numpy")
def _near(cells: Integers, cell: int, min_size: int, slack: int) -> bool:
    near = False
    for other in cells:
        near = near or other - min_size < cell < other + min_size - slack
    return near


@njit(nogil=True, cache=True, error_model="numpy")
def sweep(
    u: Floats,
    y: Floats,
    w: Floats,
    min_size: int,
    knots: Floats,
    cells: Integers,
    held: int,
    rounds: int,
) -> float:
    """Put each knot but `held` (-1: none) where it is best with the others still; repeat."""
    size, free = knots.size, np.full(knots.size + 1, np.nan)
    columns, r, values = np.empty((size + 2, u.size)), np.empty(u.size), np.empty(size + 2)
    best = refit(u, y, w, knots, free, values)
    others, places = np.empty(size - 1), np.empty(size - 1, np.int64)
    for _ in range(rounds):
        before = best
        for j in range(size):
            if j == held:
                continue
            others[:j], others[j:] = knots[:j], knots[j + 1 :]
            places[:j], places[j:] = cells[:j], cells[j + 1 :]
            used = basis(u, w, others, columns)
            r[:] = y
            rss = project(r, w, columns[:used])
            gain, knot, cell = scan(u, w, columns[:used], r, places, min_size, 0)
            if cell >= 0 and rss - gain < best:
                best = rss - gain
                knots[j], cells[j] = knot, cell
        order = np.argsort(knots)
        knots[:], cells[:] = knots[order], cells[order]
        if before - best <= 1e-10 * best or (held >= 0 and order[held] != held):
            break
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def greedy(u: Floats, y: Floats, w: Floats, min_size: int, knots: Floats) -> float:
    """Add knots one by one, each time with sweeps; return the sum of squares, inf if no room."""
    size = knots.size
    columns, r = np.empty((size + 2, u.size)), np.empty(u.size)
    cells, free = np.empty(size, np.int64), np.full(size + 1, np.nan)
    for count in range(size):
        used = basis(u, w, knots[:count], columns)
        r[:] = y
        project(r, w, columns[:used])
        _, knot, cell = scan(u, w, columns[:used], r, cells[:count], min_size, 0)
        if cell < 0:
            return math.inf
        knots[count], cells[count] = knot, cell
        sweep(u, y, w, min_size, knots[: count + 1], cells[: count + 1], -1, 20)
    rss: float = settle(u, y, w, min_size, free, knots)
    return rss


@njit(nogil=True, cache=True, error_model="numpy")
def settle(u: Floats, y: Floats, w: Floats, min_size: int, slopes: Floats, knots: Floats) -> float:
    """Alternate Gauss-Newton steps and, without given slopes, sweeps; return the least sum."""
    cells = np.empty(knots.size, np.int64)
    best: float = polish(u, y, w, min_size, slopes, knots, 20)
    if not np.isnan(slopes).all():
        return best
    if find_cells(u, knots, min_size, cells):
        sweep(u, y, w, min_size, knots, cells, -1, 10)
        best = polish(u, y, w, min_size, slopes, knots, 20)
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def rescan_pairs(
    u: Floats, y: Floats, w: Floats, min_size: int, bounds: Floats, best: float, knots: Floats
) -> float:
    """Second stage of the certificate: one knot on a data point, the other anywhere.

    `bounds` (cell,) are what no fit with a knot in that cell can be below; cells whose bound
    excludes them are skipped. Moves `knots` (2,) where it finds better.
    """
    n = u.size
    columns, line, r = np.empty((3, n)), np.empty(n), np.empty(n)
    cells = np.empty(1, np.int64)
    basis(u, w, np.empty(0), columns)
    line[:] = y
    project(line, w, columns[:2])
    for i in range(min_size - 1, n - min_size + 1):
        enough = best * (1.0 - 1e-13)
        if min(bounds[i - 1], bounds[i]) >= enough:
            continue
        hinge(u, w, u[i], columns, 2)
        r[:] = line
        rss = project(r, w, columns[2:])
        # With room on both sides the knot may count for the cell before or behind its point.
        cells[0] = i if n - 1 - i >= min_size else i - 1
        slack = 1 if cells[0] == i and i >= min_size else 0
        gain, knot, found = scan(u, w, columns, r, cells, min_size, slack)
        if found >= 0 and rss - gain < best:
            best = rss - gain
            knots[0], knots[1] = min(u[i], knot), max(u[i], knot)
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def profile_walk(
    u: Floats,
    y: Floats,
    w: Floats,
    min_size: int,
    knots: Floats,
    which: int,
    direction: int,
    allowed: float,
    steps: int,
) -> float:
    """Farthest place of one knot with a sum of squares within `allowed`, the others re-scanned.

    Walks over at most `steps` evenly chosen data points to the end of the admissible range,
    starting each time from the neighbour's knots, and then halves the last interval, until it is
    a negligible part of the way from the fitted knot.
    """
    # The data point at the knot or before it, as seen in the walk's direction.
    start = np.searchsorted(u, knots[which])
    if direction > 0 and (start == u.size or u[start] > knots[which]):
        start -= 1
    last = min_size - 1 if direction < 0 else u.size - min_size
    stride = max(abs(last - start) // steps, 1)
    current, reached, beyond = knots.copy(), knots[which], u[last]
    kept = knots.copy()
    position, outside = start, False
    while (last - position) * direction > 0:
        position += direction * min(stride, abs(last - position))
        within = _held_rss(u, y, w, min_size, current, which, u[position]) <= allowed
        if within:
            reached, kept[:] = u[position], current
            outside = False
        elif not outside:
            beyond, outside = u[position], True
    if not outside:
        return float(reached)
    for _ in range(_HALVINGS):
        middle = 0.5 * (reached + beyond)
        if abs(beyond - reached) <= _FINE * abs(reached - knots[which]):
            break
        current[:] = kept
        if _held_rss(u, y, w, min_size, current, which, middle) <= allowed:
            reached, kept[:] = middle, current
        else:
            beyond = middle
    return float(reached)


@njit(nogil=True, cache=True, error_model="numpy")
def _held_rss(
    u: Floats, y: Floats, w: Floats, min_size: int, knots: Floats, which: int, place: float
) -> float:
    """Sum of squares with one knot held at `place`; `knots` follow, `which` stays its index."""
    trial, cells = knots.copy(), np.empty(knots.size, np.int64)
    trial[which] = place
    ordered = True
    for j in range(1, trial.size):
        ordered = ordered and trial[j - 1] < trial[j]
    if not ordered or not find_cells(u, trial, min_size, cells):
        return math.inf
    free, values = np.full(knots.size + 1, np.nan), np.empty(knots.size + 2)
    unmoved: float = refit(u, y, w, trial, free, values)
    sweep(u, y, w, min_size, trial, cells, which, 3)
    # Another knot that jumped across would make this one the next in order.
    if trial[which] != place:
        return unmoved
    knots[:] = trial
    moved: float = refit(u, y, w, knots, free, values)
    return min(moved, unmoved)
