"""Loops of the softmax family: sums of exponentials whose bits no order or grouping changes.

Each e^z is v * 2^(26 e) with an integer frame e and v from 2^-27 to 1. Behind the maximum of a row,
terms are added up in four bins, multiples of 2^-26, 2^-52, 2^-78 and 2^-104 of the sum's own frame:
each term is rounded to those grids alone, and sums of so many multiples are exact while the terms
are fewer than 2^26 (Demmel and Nguyen, "Fast reproducible floating-point summation", 2013). No
fused multiply-add may be formed here, so that scalar and vector code round alike.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
LANES = 32
"""Rows worked on side by side, so that the loops over them are vector instructions."""
LENGTH = 128
"""Classes of a row worked on at a time; longer rows are cut, and their parts merged."""

EMPTY = -(2**62)
"""Frame of a sum without terms."""
NEAR = 2.0**20
"""Below it a double reduces exactly in two parts of ln 2."""
FAR = 2.0**65
"""From here on neighbouring doubles are so far apart that only equals share the probability; above
every integer of 64 bits."""
LOG2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
FRAME_1, FRAME_2 = 18.021826694558577, 1.2690859863751319e-15
FRAME_3 = -6.527864374662687e-32
MAGIC = 6755399441055744.0
MAGIC_BITS = 0x4338000000000000
GRID_1, GRID_2, GRID_3, GRID_4 = (1.5 * 2.0 ** (52 - 26 * k) for k in (1, 2, 3, 4))


@njit(cache=True)
def _power(exponent: int | np.int64) -> float:
    """Return 2^exponent, from -1022 to 1023."""
    return np.int64((exponent + 1023) << 52).view(np.float64)


@njit(cache=True)
def _product_error(a: float, b: float, product: float) -> float:
    """Return what rounding took from a product (Dekker)."""
    c = 134217729.0 * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = 134217729.0 * b
    b_high = c - (c - b)
    b_low = b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(cache=True)
def _near_term(z: float, low: float) -> tuple[float, np.int64]:
    """Return e^(z + low) as v and e, for |z| below NEAR."""
    shifted = z * LOG2E + MAGIC
    k = shifted - MAGIC
    framed = (k * (1.0 / 26.0) + (0.5 + 0.5 / 26.0)) + MAGIC
    e = np.float64(framed).view(np.int64) - MAGIC_BITS
    j = (np.float64(shifted).view(np.int64) - MAGIC_BITS) - 26 * e
    high = z - k * LN2_HIGH
    rest = k * LN2_LOW - low
    y = high - rest
    y_low = (high - y) - rest
    p = 1.0 / 6227020800.0
    p = p * y + 1.0 / 479001600.0
    p = p * y + 1.0 / 39916800.0
    p = p * y + 1.0 / 3628800.0
    p = p * y + 1.0 / 362880.0
    p = p * y + 1.0 / 40320.0
    p = p * y + 1.0 / 5040.0
    p = p * y + 1.0 / 720.0
    p = p * y + 1.0 / 120.0
    p = p * y + 1.0 / 24.0
    p = p * y + 1.0 / 6.0
    p = p * y + 0.5
    scale = _power(j)
    return scale + scale * (y + (y_low + (y * y_low + p * (y * y)))), e


@njit(cache=True)
def _term(z: float, low: float) -> tuple[float, np.int64]:
    """Return e^(z + low) as v and e, for |z| below FAR."""
    if abs(z) < NEAR:
        return _near_term(z, low)
    frames = np.int64(0)
    for _ in range(3):
        q = np.rint(z / FRAME_1)
        frames += np.int64(q)
        first, second = q * FRAME_1, q * FRAME_2
        parts = (
            -_product_error(q, FRAME_1, first),
            -second,
            low,
            -_product_error(q, FRAME_2, second),
            -q * FRAME_3,
        )
        z, low = z - first, 0.0
        for part in parts:
            total = z + part
            kept = total - z
            low += (z - (total - kept)) + (part - kept)
            z = total
    v, e = _near_term(z, low)
    return v, e + frames


@njit(cache=True)
def _divided(x: float, low: float, divisor: float, power: float) -> tuple[float, float]:
    """Return x / temperature as a double and its error; the temperature is divisor / power."""
    x *= power
    z = x / divisor
    if divisor == 1.0 or not abs(z) < FAR:
        return z, low * power
    product = z * divisor
    return z, (((x - product) - _product_error(z, divisor, product)) + low * power) / divisor


@njit(cache=True)
def _term_beside(
    x: float, low: float, top: float, top_low: float, divisor: float, power: float
) -> tuple[float, np.int64]:
    """Return the term of x as v and e, where top is the greatest of its row."""
    z_top, _ = _divided(top, top_low, divisor, power)
    if not abs(z_top) < FAR:
        return (0.5, np.int64(0)) if x == top and low == top_low else (0.0, np.int64(EMPTY))
    z, z_low = _divided(x, low, divisor, power)
    if not abs(z) < FAR:
        return 0.0, np.int64(EMPTY)
    return _term(z, z_low)


@njit(cache=True)
def _add_term(v: float, shift: int, bins: Array) -> None:
    """Add v * 2^(26 shift) to the four bins of a row."""
    v *= _power(26 * max(shift, -39))
    for grid, b in ((GRID_1, 0), (GRID_2, 1), (GRID_3, 2), (GRID_4, 3)):
        part = (v + grid) - grid
        bins[b] += part
        v -= part


@njit(cache=True)
def _add_bins(
    frame: int | np.int64, bins: Array, other_frame: int | np.int64, other_bins: Array
) -> int | np.int64:
    """Add a sum to another; return the frame of both together."""
    if other_frame > frame:
        shift = min(other_frame - frame, 4)
        for b in range(3, -1, -1):
            bins[b] = bins[b - shift] * _power(-26 * shift) if b >= shift else 0.0
        frame = other_frame
    shift = min(frame - other_frame, 4)
    for b in range(shift, 4):
        bins[b] += other_bins[b - shift] * _power(-26 * shift)
    return frame


@njit(cache=True)
def _merge_row(
    a: int,
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    b: int,
    b_tops: Array,
    b_lows: Array,
    b_frames: Whole,
    b_bins: Array,
    divisor: float,
    power: float,
) -> None:
    """Merge row b of a state into row a of another."""
    top, low, other, other_low = tops[a], lows[a], b_tops[b], b_lows[b]
    if top != top or other != other:
        tops[a] = np.nan
        return
    ahead = top > other or (top == other and low > other_low)
    equal = top == other and low == other_low
    lesser, lesser_low = (other, other_low) if ahead else (top, low)
    if not ahead:
        tops[a], lows[a] = other, other_low
    z, _ = _divided(tops[a], lows[a], divisor, power)
    z_lesser, _ = _divided(lesser, lesser_low, divisor, power)
    if not equal and not (abs(z) < FAR and abs(z_lesser) < FAR):
        if not ahead:
            frames[a] = b_frames[b]
            bins[a] = b_bins[b]
        return
    frame = _add_bins(frames[a], bins[a], b_frames[b], b_bins[b])
    v, e = _term_beside(lesser, lesser_low, lesser, lesser_low, divisor, power)
    single = np.zeros(4)
    _add_term(v, 0, single)
    frames[a] = _add_bins(frame, bins[a], e, single)


@njit(cache=True, nogil=True)
def merge_rows(
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    b_tops: Array,
    b_lows: Array,
    b_frames: Whole,
    b_bins: Array,
    divisor: float,
    power: float,
) -> None:
    """Merge states of as many rows, or of several times as many one part after another."""
    for b in range(b_tops.size):
        a = b % tops.size
        _merge_row(a, tops, lows, frames, bins, b, b_tops, b_lows, b_frames, b_bins, divisor, power)


@njit(cache=True)
def _total(
    a: int,
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    divisor: float,
    power: float,
    limit: bool,
) -> tuple[float, float, np.int64]:
    """Return the sum behind the maximum per its term, then all terms together and their frame."""
    top = tops[a]
    if top != top or (not limit and math.isinf(top)):
        return np.nan, np.nan, np.int64(0)
    v, e = _term_beside(top, lows[a], top, lows[a], divisor, power)
    # Carrying makes the digits, and so the rounding of their sum, a function of their value alone.
    digits = bins[a].copy()
    unit = 2.0**-78
    for b in range(3, 0, -1):
        carry = np.floor(digits[b] / unit) * unit
        digits[b] -= carry
        digits[b - 1] += carry
        unit *= 2.0**26
    rest = digits[0] + (digits[1] + (digits[2] + digits[3]))
    shift = 26 * max(min(frames[a] - e, 2), -60)
    half, other = _power(shift // 2), _power(shift - shift // 2)
    return (rest / v) * half * other, v + rest * half * other, e


@njit(cache=True)
def _load(
    x: Array,
    low: Array,
    starts: Whole,
    counts: Whole,
    stride: int,
    bound: float,
    tile: Array,
    tile_low: Array,
) -> bool:
    """Copy the classes of some lanes beside each other; say whether all are less than bound."""
    far = 0
    for i in range(starts.size):
        at = starts[i]
        far += counts[i] != counts[0]
        for k in range(counts[i]):
            value = np.float64(x[at + k * stride])
            tile[k, i] = value
            tile_low[k, i] = low[at + k * stride] if low.size else 0.0
            far += 0 if abs(value) < bound else 1
    return far == 0 and low.size == 0


@njit(cache=True)
def _find_tops(
    tile: Array, tile_low: Array, counts: Whole, near: bool, tops: Array, lows: Array, at: Whole
) -> None:
    """Find each lane's greatest class, NaN where there is one, and where it is."""
    lanes = counts.size
    tops[:] = tile[0, :lanes]
    lows[:] = tile_low[0, :lanes]
    at[:] = 0
    if near:
        for k in range(1, counts[0]):
            for i in range(lanes):
                ahead = tile[k, i] > tops[i]
                tops[i] = tile[k, i] if ahead else tops[i]
                at[i] = k if ahead else at[i]
        return
    for i in range(lanes):
        for k in range(counts[i]):
            value, low = tile[k, i], tile_low[k, i]
            if value != value:
                tops[i] = value
                break
            if value > tops[i] or (value == tops[i] and low > lows[i]):
                tops[i], lows[i], at[i] = value, low, k


@njit(cache=True)
def _fill_terms(
    tile: Array,
    tile_low: Array,
    counts: Whole,
    near: bool,
    tops: Array,
    lows: Array,
    divisor: float,
    power: float,
    v: Array,
    e: Whole,
) -> None:
    """Fill in e^z of every class."""
    lanes = counts.size
    if near and divisor == 1.0 and power == 1.0:
        for k in range(counts[0]):
            for i in range(lanes):
                v[k, i], e[k, i] = _near_term(tile[k, i], 0.0)
    elif near:
        for k in range(counts[0]):
            for i in range(lanes):
                x = tile[k, i] * power
                z = x / divisor
                product = z * divisor
                rest = ((x - product) - _product_error(z, divisor, product)) / divisor
                v[k, i], e[k, i] = _near_term(z, rest)
    else:
        for i in range(lanes):
            for k in range(counts[i]):
                v[k, i], e[k, i] = _term_beside(
                    tile[k, i], tile_low[k, i], tops[i], lows[i], divisor, power
                )


@njit(cache=True)
def _sum_terms(v: Array, e: Whole, counts: Whole, at: Whole, frames: Whole, bins: Array) -> None:
    """Add up each lane's terms but that of its greatest class."""
    lanes = counts.size
    length = counts.max()
    frames[:] = EMPTY
    for k in range(length):
        for i in range(lanes):
            if k != at[i] and k < counts[i]:
                frames[i] = max(frames[i], e[k, i])
    sums = np.zeros((4, LANES))
    for k in range(length):
        for i in range(lanes):
            counted = k != at[i] and k < counts[i]
            term = v[k, i] if counted else 0.0
            term *= _power(26 * max(e[k, i] - frames[i], -39) if counted else 0)
            part = (term + GRID_1) - GRID_1
            sums[0, i] += part
            term -= part
            part = (term + GRID_2) - GRID_2
            sums[1, i] += part
            term -= part
            part = (term + GRID_3) - GRID_3
            sums[2, i] += part
            term -= part
            sums[3, i] += (term + GRID_4) - GRID_4
    for i in range(lanes):
        for b in range(4):
            bins[i, b] = sums[b, i]


@njit(cache=True)
def _write_shares(
    v: Array,
    e: Whole,
    counts: Whole,
    starts: Whole,
    stride: int,
    totals: Array,
    frames: Whole,
    out: Array,
) -> None:
    """Write each class's share of its row's total, v and e of which are given."""
    for k in range(counts.max()):
        for i in range(counts.size):
            shift = 26 * max(min(e[k, i] - frames[i], 2), -60)
            half = shift >> 1
            v[k, i] = (v[k, i] / totals[i]) * _power(half) * _power(shift - half)
    for i in range(counts.size):
        for k in range(counts[i]):
            out[starts[i] + k * stride] = v[k, i]


@njit(cache=True)
def _place_lanes(
    first: int, shape: tuple[int, int, int], length: int, starts: Whole, counts: Whole
) -> None:
    """Find where each lane of a tile starts and how many classes it has.

    Lanes are the rows of a (before, class, behind) array, each cut into pieces of that length: all
    first pieces, then all second ones.
    """
    _, classes, stride = shape
    rows = shape[0] * stride
    for i in range(starts.size):
        piece, row = divmod(first + i, rows)
        before, behind = divmod(row, stride)
        starts[i] = (before * classes + piece * length) * stride + behind
        counts[i] = min(length, classes - piece * length)


@njit(cache=True, nogil=True)
def sum_rows(
    x: Array,
    low: Array,
    shape: tuple[int, int, int],
    length: int,
    divisor: float,
    power: float,
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    limit: bool,
    out: Array,
) -> None:
    """Find the state of every lane; write the softmax too, where `out` is not empty.

    Then a lane must be a whole row.
    """
    lanes = tops.size
    tile, tile_low, v = np.empty((3, length, LANES))
    e = np.empty((length, LANES), np.int64)
    starts, counts, at, out_frames = np.empty((4, LANES), np.int64)
    totals = np.empty(LANES)
    bound = 0.99 * NEAR * (divisor / power)
    for first in range(0, lanes, LANES):
        end = min(first + LANES, lanes)
        n = end - first
        top, lesser = tops[first:end], lows[first:end]
        _place_lanes(first, shape, length, starts[:n], counts[:n])
        near = _load(x, low, starts[:n], counts[:n], shape[2], bound, tile, tile_low)
        _find_tops(tile, tile_low, counts[:n], near, top, lesser, at)
        _fill_terms(tile, tile_low, counts[:n], near, top, lesser, divisor, power, v, e)
        _sum_terms(v, e, counts[:n], at, frames[first:end], bins[first:end])
        if out.size:
            for i in range(n):
                _, totals[i], out_frames[i] = _total(
                    first + i, tops, lows, frames, bins, divisor, power, limit
                )
            _write_shares(v, e, counts[:n], starts, shape[2], totals, out_frames, out)


@njit(cache=True, nogil=True)
def share_rows(
    x: Array,
    low: Array,
    shape: tuple[int, int, int],
    length: int,
    divisor: float,
    power: float,
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    limit: bool,
    out: Array,
) -> None:
    """Write the softmax of rows that the given states, with others or not, sum up."""
    rows = tops.size
    lanes = rows * -(-shape[1] // length)
    tile, tile_low, v = np.empty((3, length, LANES))
    e = np.empty((length, LANES), np.int64)
    starts, counts, out_frames = np.empty((3, LANES), np.int64)
    top, lesser, totals = np.empty((3, LANES))
    bound = 0.99 * NEAR * (divisor / power)
    for first in range(0, lanes, LANES):
        n = min(LANES, lanes - first)
        _place_lanes(first, shape, length, starts[:n], counts[:n])
        near = _load(x, low, starts[:n], counts[:n], shape[2], bound, tile, tile_low)
        for i in range(n):
            row = (first + i) % rows
            top[i], lesser[i] = tops[row], lows[row]
            near &= abs(top[i]) < bound
            _, totals[i], out_frames[i] = _total(
                row, tops, lows, frames, bins, divisor, power, limit
            )
        _fill_terms(tile, tile_low, counts[:n], near, top, lesser, divisor, power, v, e)
        _write_shares(v, e, counts[:n], starts, shape[2], totals, out_frames, out)


@njit(cache=True)
def _log_share(
    x: float, low: float, top: float, top_low: float, tail: float, divisor: float, power: float
) -> float:
    """Return the logarithm of a class's share, where tail is log(1 + sum behind the maximum)."""
    if x == top and low == top_low:
        return -tail
    d = x - top
    if not d > -1e300:
        return -np.inf if d == d else d
    other = d - x
    z, rest = _divided(d, (x - (d - other)) - (top + other) + (low - top_low), divisor, power)
    return z - (tail - rest)


@njit(cache=True, nogil=True)
def log_rows(
    x: Array,
    low: Array,
    shape: tuple[int, int, int],
    divisor: float,
    power: float,
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    limit: bool,
    out: Array,
) -> None:
    """Write the logarithm of the softmax of rows that the given states sum up."""
    before, classes, behind = shape
    tails = np.empty(behind)
    for o in range(before):
        for i in range(behind):
            ratio, _, _ = _total(o * behind + i, tops, lows, frames, bins, divisor, power, limit)
            tails[i] = math.log1p(ratio)
        for k in range(classes):
            for i in range(behind):
                at, row = (o * classes + k) * behind + i, o * behind + i
                out[at] = np.nan if tails[i] != tails[i] else _log_share(
                    np.float64(x[at]), low[at] if low.size else 0.0, tops[row], lows[row],
                    tails[i], divisor, power,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def tail_rows(
    divisor: float, power: float, tops: Array, lows: Array, frames: Whole, bins: Array, out: Array
) -> None:
    """Write the sum behind the maximum of each row, divided by the maximum's exponential."""
    for row in range(out.size):
        out[row], _, _ = _total(row, tops, lows, frames, bins, divisor, power, True)


@njit(cache=True, nogil=True)
def log_sum_rows(
    divisor: float, power: float, tops: Array, lows: Array, frames: Whole, bins: Array, out: Array
) -> None:
    """Write the logarithm of the sum of exponentials of each row."""
    for row in range(out.size):
        z, rest = _divided(tops[row], lows[row], divisor, power)
        ratio, _, _ = _total(row, tops, lows, frames, bins, divisor, power, True)
        out[row] = z if math.isinf(z) else z + (rest + math.log1p(ratio))


@njit(cache=True, nogil=True)
def entropy_rows(
    x: Array,
    low: Array,
    shape: tuple[int, int, int],
    target: Whole,
    divisor: float,
    power: float,
    tops: Array,
    lows: Array,
    frames: Whole,
    bins: Array,
    limit: bool,
    losses: Array,
    gradient: Array,
) -> None:
    """Write each row's cross-entropy; turn its softmax into the gradient by z."""
    _, classes, behind = shape
    for row in range(losses.size):
        ratio, _, _ = _total(row, tops, lows, frames, bins, divisor, power, limit)
        tail = math.log1p(ratio)
        at = ((row // behind) * classes + target[row]) * behind + row % behind
        value, rest = np.float64(x[at]), low[at] if low.size else 0.0
        losses[row] = tail if tail != tail else -_log_share(
            value, rest, tops[row], lows[row], tail, divisor, power
        )  # fmt: skip
        if value == tops[row] and rest == lows[row]:
            # 1 - p without the cancellation of a p near 1.
            gradient[at] = -ratio / (1.0 + ratio)
        else:
            gradient[at] -= 1.0
