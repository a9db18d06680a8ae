"""Compiled loops: crossings of rows, links from coarse to fine, and the tree of intervals.

They share one file because Numba's cache watches only the file of the function that is called.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Signs = NDArray[np.int8]
Integers = NDArray[np.int64]
_STEPS = 12
"""Halvings or secant steps to a crossing; the secants reach the last digit in about 6."""


@njit(nogil=True, cache=True)
def row_crossings(
    values: Floats, floor: float, position: Floats, sign: Signs, at: int, room: int
) -> int:
    """Write the crossings of one row from index `at` on; return the index after the last.

    The sign of a row changes where it goes from beyond the floor on one side to beyond it on the
    other. Smoothing with a totally positive kernel of sum 1 cannot add such a change if the floor
    is the same at every scale: split the row into a part without more changes and a rest within
    the floor, and the rest stays within it. Stops before `room` is exceeded and returns -1.
    """
    state, last = 0, 0
    for i in range(values.size):
        value = values[i]
        if value > floor:
            side = 1
        elif value < -floor:
            side = -1
        else:
            continue
        if side != state and state != 0:
            if at >= room:
                return -1
            position[at] = _between(values, last, i)
            sign[at] = side
            at += 1
        state, last = side, i
    return at


@njit(nogil=True, cache=True)
def _between(values: Floats, low: int, high: int) -> float:
    """Locate a crossing between two samples; the middle one if round-off makes many of it."""
    changes = 0
    for i in range(low, high):
        changes += (values[i] < 0.0) != (values[i + 1] < 0.0)
    wanted = (changes + 1) // 2
    for i in range(low, high):
        wanted -= (values[i] < 0.0) != (values[i + 1] < 0.0)
        if wanted == 0:
            return i + _root(values, i)
    return 0.5 * (low + high)


@njit(nogil=True, cache=True)
def _root(values: Floats, i: int) -> float:
    """Solve the cubic through four samples, or the line at an end, between i and i + 1."""
    a, b = values[i], values[i + 1]
    if i == 0 or i + 2 >= values.size:
        return float(a / (a - b))
    # Newton's form about i: a + x (b - a) + x (x - 1) (second + (x + 1) third).
    before = values[i - 1] - 2.0 * a + b
    after = a - 2.0 * b + values[i + 2]
    third = (after - before) / 6.0
    second = 0.5 * before
    low, high, x = 0.0, 1.0, a / (a - b)
    for _ in range(_STEPS):
        value = a + x * (b - a) + x * (x - 1.0) * (second + (x + 1.0) * third)
        if (value < 0.0) == (a < 0.0):
            low = x
        else:
            high = x
        slope = b - a + (2.0 * x - 1.0) * second + (3.0 * x * x - 1.0) * third
        step = value / slope if slope != 0.0 else 2.0
        new = float(x - step)
        if not low <= new <= high:
            new = 0.5 * (low + high)
        if abs(new - x) < 1e-15:
            return new
        x = new
    return float(x)


@njit(nogil=True, cache=True)
def link_rows(
    fine: Floats, fine_sign: Signs, coarse: Floats, coarse_sign: Signs, reach: float, link: Integers
) -> int:
    """Link each coarse crossing to one fine crossing; return how many stay without one.

    Of all links that are one-to-one, of equal sign and in order, those of least total distance,
    by dynamic programming over the fine crossings within a reach, which widens while none fit.
    """
    if coarse.size == 0:
        return 0
    span = 1.0 + max(fine[-1], coarse[-1]) - min(fine[0], coarse[0]) if fine.size else 0.0
    while coarse.size <= fine.size:
        if _link_within(fine, fine_sign, coarse, coarse_sign, reach, link):
            return 0
        if reach > span:
            break
        reach *= 4.0
    return _link_greedily(fine, fine_sign, coarse, coarse_sign, link)


@njit(nogil=True, cache=True)
def _windows(fine: Floats, coarse: Floats, reach: float) -> tuple[Integers, Integers]:
    """Return, for each coarse crossing, the first fine one within reach, and sums of how many."""
    low, start = np.empty(coarse.size, np.int64), np.zeros(coarse.size + 1, np.int64)
    first = stop = 0
    for c in range(coarse.size):
        while first < fine.size and fine[first] < coarse[c] - reach:
            first += 1
        while stop < fine.size and fine[stop] <= coarse[c] + reach:
            stop += 1
        low[c] = first
        start[c + 1] = start[c] + max(stop - first, 0)
    return low, start


@njit(nogil=True, cache=True)
def _link_within(
    fine: Floats, fine_sign: Signs, coarse: Floats, coarse_sign: Signs, reach: float, link: Integers
) -> bool:
    low, start = _windows(fine, coarse, reach)
    cost, back = np.empty(start[-1]), np.empty(start[-1], np.int64)
    for c in range(coarse.size):
        best, chosen, p = (0.0, -1, 0) if c == 0 else (math.inf, -1, start[c - 1])
        for k in range(start[c], start[c + 1]):
            j = low[c] + k - start[c]
            while c > 0 and p < start[c] and low[c - 1] + p - start[c - 1] < j:
                if cost[p] < best:
                    best, chosen = cost[p], p
                p += 1
            same = fine_sign[j] == coarse_sign[c]
            cost[k] = best + abs(fine[j] - coarse[c]) if same else math.inf
            back[k] = chosen
    return _traced(cost, back, low, start, link)


@njit(nogil=True, cache=True)
def _traced(cost: Floats, back: Integers, low: Integers, start: Integers, link: Integers) -> bool:
    """Follow the cheapest links back; say if there are any."""
    best, chosen = math.inf, -1
    for k in range(start[-2], start[-1]):
        if cost[k] < best:
            best, chosen = cost[k], k
    if chosen < 0:
        return False
    for c in range(low.size - 1, -1, -1):
        link[c] = low[c] + chosen - start[c]
        chosen = back[chosen]
    return True


@njit(nogil=True, cache=True)
def _link_greedily(
    fine: Floats, fine_sign: Signs, coarse: Floats, coarse_sign: Signs, link: Integers
) -> int:
    """Link what can be, nearest first in order, where the invariant is broken."""
    j = missing = 0
    for c in range(coarse.size):
        best, chosen = math.inf, -1
        for k in range(j, fine.size):
            distance = abs(fine[k] - coarse[c])
            if fine_sign[k] == coarse_sign[c] and distance < best:
                best, chosen = distance, k
            elif fine[k] > coarse[c] and chosen >= 0:
                break
        link[c] = chosen
        if chosen < 0:
            missing += 1
        else:
            j = chosen + 1
    return missing


@njit(nogil=True, cache=True)
def link_series(
    offset: Integers, position: Floats, sign: Signs, sigmas: Floats, link: Integers
) -> tuple[int, int]:
    """Link all rows of a series; return its rows with more than the finer one, and the unlinked."""
    increases = unlinked = 0
    for scale in range(1, sigmas.size):
        a, b, c = offset[scale - 1], offset[scale], offset[scale + 1]
        increases += c - b > b - a
        reach = 3.0 * sigmas[scale] + 2.0
        unlinked += link_rows(position[a:b], sign[a:b], position[b:c], sign[b:c], reach, link[b:c])
        for k in range(b, c):
            if link[k] >= 0:
                link[k] += a
    return increases, unlinked


@njit(nogil=True, cache=True)
def tree_of(
    offset: Integers, position: Floats, sign: Signs, link: Integers, ends: Floats, edges: Floats,
    nodes: Integers,
) -> int:  # fmt: skip
    """Build Witkin's tree of one series from fine to coarse; return its number of nodes.

    `edges` receives left and right, `nodes` first and last scale, parent and sign of each.
    """
    count, rows = 0, offset.size - 1
    current = np.empty(offset[1] - offset[0] + 1, np.int64)
    foot = position[offset[0] : offset[1]].copy()
    for scale in range(rows):
        a, b = offset[scale], offset[scale + 1]
        size = b - a
        merged = np.empty(size + 1, np.int64)
        feet = np.empty(size)
        whole = scale > 0
        for k in range(size):
            whole = whole and link[a + k] >= 0
            linked = scale > 0 and link[a + k] >= 0
            feet[k] = foot[link[a + k] - offset[scale - 1]] if linked else position[a + k]
        for k in range(size + 1):
            first = last = 0
            if whole:
                first = link[a + k - 1] - offset[scale - 1] + 1 if k > 0 else 0
                last = link[a + k] - offset[scale - 1] if k < size else a - offset[scale - 1]
                if first == last:
                    merged[k] = current[first]
                    nodes[merged[k], 1] = scale
                    continue
                for child in range(first, last + 1):
                    nodes[current[child], 2] = count
            edges[count, 0] = feet[k - 1] if k > 0 else ends[0]
            edges[count, 1] = feet[k] if k < size else ends[1]
            nodes[count, 0] = nodes[count, 1] = scale
            nodes[count, 2] = -1
            nodes[count, 3] = sign[a + k - 1] if k > 0 else (-sign[a] if size else 0)
            merged[k] = count
            count += 1
        current, foot = merged, feet
    return count


@njit(nogil=True, cache=True)
def count_minima(values: Floats, depth: float) -> int:
    """Count minima below -depth that lie at least that deep below a maximum on either side."""
    count, falling = 0, False
    high = low = values[0]
    for value in values:
        if falling:
            low = min(low, value)
            if value - low > depth:
                count += low < -depth
                falling, high = False, value
        else:
            high = max(high, value)
            if high - value > depth:
                falling, low = True, value
    return count


@njit(nogil=True, cache=True)
def batch_crossings(
    rows: Floats, floor: Floats, position: Floats, sign: Signs, count: Integers
) -> int:
    """Find the crossings of (series, scale, sample) rows; return how many, -1 if room is short."""
    at = 0
    for series in range(rows.shape[0]):
        for scale in range(rows.shape[1]):
            end = row_crossings(
                rows[series, scale], floor[series], position, sign, at, position.size
            )
            if end < 0:
                return -1
            count[series, scale] = end - at
            at = end
    return at
