"""Loops of the softmax family: sums of exponentials whose bits no order or grouping changes.

Each e^z is 2^k (1 + w) with a whole number k and |w| < 0.42; 1 + w is never rounded to a double.
Behind the maximum of a row, terms are added up in four bins, multiples of 2^-26, 2^-52, 2^-78 and
2^-104 of the sum's own frame, which is a power of 2^26: each term is rounded to those grids alone,
and sums of so many multiples are exact while the terms are fewer than 2^26 (Demmel and Nguyen,
"Fast reproducible floating-point summation", 2013). Multiplications and additions are fused where
it is written and nowhere else, so that scalar and vector code round alike, and a row gets the same
bits in every tile. (Processors without that instruction, older than 2013, are right but slow.)
"""

import math
from typing import Any

import numpy as np
from numba import float64, njit
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Scale = tuple[float, float]
"""A divisor and a power of two, which together divide by the temperature."""
State = tuple[Array, Array, Whole, Array]
"""Maxima, what rounding took from them, frames and (row, 4) bins."""
Tile = tuple[Array, Array, Array, Array]
"""(class, lane) arrays: logits, what rounding took from them, w (later results) and k."""
LANES = 32
"""Rows worked on side by side, so that the loops over them are vector instructions."""
SUMS, SHARES, LOGS = 0, 1, 2
"""What `work` writes: states alone, or the softmax, or its logarithm."""

# The lines of a scratch array, one number a lane each. They share an array because a loop over
# many arrays becomes no vector instructions.
TOP, LOW, AT, ODD = 0 * LANES, 1 * LANES, 2 * LANES, 3 * LANES
TOP_W, TOP_K, FRAME, RATIO = 4 * LANES, 5 * LANES, 6 * LANES, 7 * LANES
BIN_1, BIN_2, BIN_3, BIN_4 = 8 * LANES, 9 * LANES, 10 * LANES, 11 * LANES
TOTAL, TOTAL_LOW, INVERSE, TAIL = 12 * LANES, 13 * LANES, 14 * LANES, 15 * LANES
UNIT, RATIO_LOW, TAIL_LOW = 16 * LANES, 17 * LANES, 18 * LANES
LINES = 19

EMPTY = -(2**62)
"""Frame of a sum without terms."""
LEAST = -(2.0**36)
"""Frame, counted from that of its row's maximum, from which on a term is nothing."""
NOTHING = 32.0 * LEAST
"""k of a term that is 0."""
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
GRID_1, GRID_2, GRID_3, GRID_4 = (1.5 * 2.0 ** (52 - 26 * k) for k in (1, 2, 3, 4))


def _build_fma(_: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ANN401
    def build(_: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.fma(*args)

    return float64(float64, float64, float64), build


_fma: Any = intrinsic(_build_fma)
"""a b + c, rounded once."""


@njit(cache=True, error_model="numpy")
def _power(exponent: float) -> float:
    """Return 2^exponent, of a whole number from -1022 to 1023."""
    bits = np.float64(exponent + (MAGIC + 1023.0)).view(np.int64)
    return np.int64(bits << 52).view(np.float64)


@njit(cache=True, error_model="numpy")
def _frame_of(k: float) -> float:
    """Return the least multiple of 26 above k, divided by 26."""
    return (k * (1.0 / 26.0) + (0.5 + 0.5 / 26.0) + MAGIC) - MAGIC


@njit(cache=True, error_model="numpy")
def _divided(x: float, low: float, scale: Scale) -> tuple[float, float]:
    """Return (x + low) power / divisor as a double and its error, NaN where that is infinite."""
    divisor, power = scale
    x *= power
    if divisor == 1.0:
        return x, low * power
    z = x / divisor
    return z, (_fma(-z, divisor, x) + low * power) / divisor


@njit(cache=True, error_model="numpy")
def _near_term(z: float, low: float) -> tuple[float, float]:
    """Return e^(z + low) as w and k, for |z| up to NEAR."""
    k = _fma(z, LOG2E, MAGIC) - MAGIC
    high = _fma(-k, LN2_HIGH, z)
    rest = _fma(k, LN2_LOW, -low)
    y = high - rest
    y_low = (high - y) - rest
    p = 1.0 / 6227020800.0
    p = _fma(p, y, 1.0 / 479001600.0)
    p = _fma(p, y, 1.0 / 39916800.0)
    p = _fma(p, y, 1.0 / 3628800.0)
    p = _fma(p, y, 1.0 / 362880.0)
    p = _fma(p, y, 1.0 / 40320.0)
    p = _fma(p, y, 1.0 / 5040.0)
    p = _fma(p, y, 1.0 / 720.0)
    p = _fma(p, y, 1.0 / 120.0)
    p = _fma(p, y, 1.0 / 24.0)
    p = _fma(p, y, 1.0 / 6.0)
    p = _fma(p, y, 0.5)
    return y + _fma(y, y_low, _fma(p, y * y, y_low)), k


@njit(cache=True, error_model="numpy")
def _term(z: float, low: float) -> tuple[float, float, np.int64]:
    """Return e^(z + low) as w, k and frames of 2^26 beside, for |z| below FAR."""
    frames = np.int64(0)
    if abs(z) < NEAR:
        w, k = _near_term(z, low)
        return w, k, frames
    for _ in range(3):
        q = np.rint(z / FRAME_1)
        frames += np.int64(q)
        first, second = q * FRAME_1, q * FRAME_2
        parts = (
            _fma(-q, FRAME_1, first),
            -second,
            low,
            _fma(-q, FRAME_2, second),
            -q * FRAME_3,
        )
        z, low = z - first, 0.0
        for part in parts:
            total = z + part
            kept = total - z
            low += (z - (total - kept)) + (part - kept)
            z = total
    w, k = _near_term(z, low)
    return w, k, frames


@njit(cache=True, error_model="numpy")
def _term_beside(
    x: float, low: float, top: float, top_low: float, scale: Scale
) -> tuple[float, float, np.int64]:
    """Return the term of x as w, k and frames, where top is the greatest of its row."""
    z_top, _ = _divided(top, top_low, scale)
    z, z_low = _divided(x, low, scale)
    if abs(z_top) < FAR and abs(z) < FAR:
        return _term(z, z_low)
    equal = x == top and low == top_low and not abs(z_top) < FAR
    return 0.0, (-1.0 if equal else NOTHING), np.int64(0)


@njit(cache=True, error_model="numpy")
def _add_bins(
    frame: int | np.int64, bins: Array, other_frame: int | np.int64, other_bins: Array
) -> int | np.int64:
    """Add a sum to another; return the frame of both together."""
    if other_frame > frame:
        shift = min(other_frame - frame, 4)
        for b in range(3, -1, -1):
            bins[b] = bins[b - shift] * _power(-26.0 * shift) if b >= shift else 0.0
        frame = other_frame
    shift = min(frame - other_frame, 4)
    for b in range(shift, 4):
        bins[b] += other_bins[b - shift] * _power(-26.0 * shift)
    return frame


@njit(cache=True, error_model="numpy")
def _fill_digits(w: float, factor: float, digits: Array) -> None:
    """Write the multiples of the four grids whose sum is factor (1 + w)."""
    high = factor + factor * w
    low = factor * w - (high - factor)
    for grid, d in ((GRID_1, 0), (GRID_2, 1), (GRID_3, 2), (GRID_4, 3)):
        digits[d] = (high + grid) - grid
        high -= digits[d]
    for grid, d in ((GRID_3, 2), (GRID_4, 3)):
        part = (low + grid) - grid
        digits[d] += part
        low -= part


@njit(cache=True, nogil=True, error_model="numpy")
def merge_rows(state: State, others: State, scale: Scale) -> None:
    """Merge states of as many rows, or of several times as many one part after another."""
    tops, lows, frames, bins = state
    b_tops, b_lows, b_frames, b_bins = others
    digits = np.empty(4)
    for b in range(b_tops.size):
        a = b % tops.size
        top, low, other, other_low = tops[a], lows[a], b_tops[b], b_lows[b]
        if top != top or other != other:
            tops[a] = np.nan
            continue
        ahead = top > other or (top == other and low > other_low)
        equal = top == other and low == other_low
        lesser, lesser_low = (other, other_low) if ahead else (top, low)
        if not ahead:
            tops[a], lows[a] = other, other_low
        w, k, beside = _term_beside(lesser, lesser_low, tops[a], lows[a], scale)
        if k == NOTHING and not equal:
            if not ahead:
                frames[a] = b_frames[b]
                for d in range(4):
                    bins[a, d] = b_bins[b, d]
            continue
        e = _frame_of(k)
        _fill_digits(w, _power(k - 26.0 * e), digits)
        frame = _add_bins(frames[a], bins[a], b_frames[b], b_bins[b])
        frames[a] = _add_bins(frame, bins[a], np.int64(e) + beside, digits)


@njit(cache=True, error_model="numpy")
def _place_lanes(
    first: int, shape: tuple[int, int, int], length: int, starts: Whole, counts: Whole
) -> None:
    """Find where each lane of a tile starts, and its piece of the row.

    Lanes are the rows of a (before, class, behind) array, each cut into pieces of that length: all
    first pieces, then all second ones. Those behind the last one are copies of it.
    """
    before, classes, behind = shape
    piece, row = divmod(first, before * behind)
    i, j = divmod(row, behind)
    last = -(-classes // length) * before * behind - first - 1
    for lane in range(LANES):
        starts[lane] = (i * classes + piece * length) * behind + j
        counts[lane] = min(length, classes - piece * length)
        if lane < last:
            j += 1
            if j == behind:
                i, j = i + 1, 0
            if i == before:
                piece, i = piece + 1, 0


@njit(cache=True, error_model="numpy")
def _load(x: Array, starts: Whole, counts: Whole, stride: int, missing: float, tile: Array) -> None:
    """Copy the classes of the lanes beside each other."""
    for first in range(0, LANES, 4):  # few, so that rows are read on, not begun again
        for k in range(counts[first + 3]):
            for i in range(4):
                tile[k, first + i] = x[starts[first + i] + k * stride]
        for k in range(counts[first + 3], counts[0]):
            for i in range(first, first + 4):
                tile[k, i] = x[starts[i] + k * stride] if k < counts[i] else missing


@njit(cache=True, error_model="numpy")
def _store(w: Array, starts: Whole, counts: Whole, stride: int, out: Array) -> None:
    """Copy results of the lanes to where their logits came from; copies of a lane agree."""
    for first in range(0, LANES, 4):
        for k in range(counts[first + 3]):
            for i in range(4):
                out[starts[first + i] + k * stride] = w[k, first + i]
        for i in range(first, first + 4):
            for k in range(counts[first + 3], counts[i]):
                out[starts[i] + k * stride] = w[k, i]


@njit(cache=True, error_model="numpy")
def _find_tops(logits: Array, count: int, bound: float, s: Array) -> None:
    """Find each lane's greatest class; say in ODD if one is NaN, or far below 0 but not -inf."""
    for i in range(LANES):
        s[TOP + i], s[LOW + i], s[AT + i], s[ODD + i] = -np.inf, 0.0, 0.0, 0.0
    for k in range(count):
        line = logits[k]
        for i in range(LANES):
            ahead = line[i] > s[TOP + i]
            s[AT + i] = np.float64(k) if ahead else s[AT + i]
            s[TOP + i] = line[i] if ahead else s[TOP + i]
            fit = (line[i] > -bound) | (line[i] == -np.inf)
            s[ODD + i] = s[ODD + i] if fit else 1.0


@njit(cache=True, error_model="numpy")
def _find_far_top(logits: Array, lows: Array, lane: int, count: int, s: Array) -> None:
    """Find a lane's greatest class, NaN where there is one, with what rounding took from it."""
    s[TOP + lane], s[LOW + lane], s[AT + lane] = logits[0, lane], lows[0, lane], 0.0
    for k in range(count):
        value, low = logits[k, lane], lows[k, lane]
        if value != value:
            s[TOP + lane] = value
            return
        if value > s[TOP + lane] or (value == s[TOP + lane] and low > s[LOW + lane]):
            s[TOP + lane], s[LOW + lane], s[AT + lane] = value, low, np.float64(k)


@njit(cache=True, error_model="numpy")
def _fill_near(tile: Tile, count: int, scale: Scale, s: Array) -> None:
    """Write w and k of every class and of each lane's greatest."""
    logits, _, w, ks = tile
    least = -NEAR * (scale[0] / scale[1])  # for -inf: so far below all others that it is nothing
    for k in range(count):
        line, w_line, k_line = logits[k], w[k], ks[k]
        for i in range(LANES):
            z, low = _divided(max(line[i], least), 0.0, scale)
            w_line[i], k_line[i] = _near_term(z, low)
    for i in range(LANES):
        z, low = _divided(s[TOP + i], 0.0, scale)
        s[TOP_W + i], s[TOP_K + i] = _near_term(z, low)


@njit(cache=True, error_model="numpy")
def _fill_far(tile: Tile, count: int, scale: Scale, given: bool, s: Array, origins: Whole) -> None:
    """Do it for any numbers; all k of a lane are lessened by the frames of its origin.

    The greatest class of each lane is sought anew, unless it is given.
    """
    logits, lows, w, ks = tile
    for i in range(LANES):
        if not given:
            _find_far_top(logits, lows, i, count, s)
        top, top_low = s[TOP + i], s[LOW + i]
        s[TOP_W + i], s[TOP_K + i], origins[i] = _term_beside(top, top_low, top, top_low, scale)
        for c in range(count):
            w[c, i], k, beside = _term_beside(logits[c, i], lows[c, i], top, top_low, scale)
            ks[c, i] = max(k + 26.0 * max(np.float64(beside - origins[i]), LEAST), NOTHING)


@njit(cache=True, error_model="numpy")
def _sum_terms(w: Array, ks: Array, count: int, s: Array) -> None:
    """Add up each lane's terms but that of its greatest class."""
    for i in range(LANES):
        s[FRAME + i] = NOTHING
        s[BIN_1 + i], s[BIN_2 + i], s[BIN_3 + i], s[BIN_4 + i] = 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        line = ks[k]
        for i in range(LANES):
            exponent = line[i] if s[AT + i] != np.float64(k) else NOTHING
            s[FRAME + i] = max(s[FRAME + i], exponent)
    for i in range(LANES):
        s[FRAME + i] = max(_frame_of(s[FRAME + i]), LEAST)
        s[UNIT + i] = 26.0 * s[FRAME + i]
    for k in range(count):
        w_line, line = w[k], ks[k]
        for i in range(LANES):
            factor = _power(max(line[i] - s[UNIT + i], -500.0))
            factor = factor if s[AT + i] != np.float64(k) else 0.0
            rest = factor * w_line[i]
            high = factor + rest
            low = rest - (high - factor)
            part = (high + GRID_1) - GRID_1
            s[BIN_1 + i] += part
            high -= part
            part = (high + GRID_2) - GRID_2
            s[BIN_2 + i] += part
            high -= part
            part = (high + GRID_3) - GRID_3
            low_part = (low + GRID_3) - GRID_3
            s[BIN_3 + i] += part + low_part
            high -= part
            low -= low_part
            s[BIN_4 + i] += ((high + GRID_4) - GRID_4) + ((low + GRID_4) - GRID_4)


@njit(cache=True, error_model="numpy")
def _total(s: Array) -> None:
    """Find the sum behind each maximum per its term, and all terms in units of 2^TOP_K."""
    for i in range(LANES):
        # Carrying makes the digits, and so the rounding of their sum, a function of their value.
        carry = np.floor(s[BIN_4 + i] * 2.0**78) * 2.0**-78
        digit_4, digit_3 = s[BIN_4 + i] - carry, s[BIN_3 + i] + carry
        carry = np.floor(digit_3 * 2.0**52) * 2.0**-52
        digit_3, digit_2 = digit_3 - carry, s[BIN_2 + i] + carry
        carry = np.floor(digit_2 * 2.0**26) * 2.0**-26
        digit_2, digit_1 = digit_2 - carry, s[BIN_1 + i] + carry
        high = digit_1 + digit_2
        low = (digit_2 - (high - digit_1)) + (digit_3 + digit_4)
        one = 1.0 + s[TOP_W + i]
        one_low = s[TOP_W + i] - (one - 1.0)
        ratio = high / one
        ratio_low = (_fma(-ratio, one, high) + (low - ratio * one_low)) / one
        shift = max(26.0 * s[FRAME + i] - s[TOP_K + i], -2000.0)
        half = max(shift, -1000.0)
        s[RATIO + i] = ((ratio + ratio_low) * _power(half)) * _power(shift - half)
        ratio_low -= (ratio + ratio_low) - ratio
        s[RATIO_LOW + i] = (ratio_low * _power(half)) * _power(shift - half)
        high = (high * _power(half)) * _power(shift - half)
        low = (low * _power(half)) * _power(shift - half)
        total = one + high
        kept = total - one
        low += one_low + ((one - (total - kept)) + (high - kept))
        s[TOTAL + i] = total + low
        s[TOTAL_LOW + i] = low - (s[TOTAL + i] - total)
        s[INVERSE + i] = 1.0 / s[TOTAL + i]


@njit(cache=True, error_model="numpy")
def _fill_shares(w: Array, ks: Array, count: int, s: Array) -> None:
    """Replace each w by the class's share of its lane's total."""
    for k in range(count):
        w_line, line = w[k], ks[k]
        for i in range(LANES):
            term = 1.0 + w_line[i]
            low = w_line[i] - (term - 1.0)
            share = term * s[INVERSE + i]
            rest = _fma(-share, s[TOTAL + i], term) + _fma(-share, s[TOTAL_LOW + i], low)
            share = _fma(rest, s[INVERSE + i], share)
            shift = max(line[i] - s[TOP_K + i], -2000.0)
            half = max(shift, -1000.0)
            w_line[i] = (share * _power(half)) * _power(shift - half)


@njit(cache=True, error_model="numpy")
def _tail(ratio: float, low: float) -> tuple[float, float]:
    """Return log(1 + ratio + low) as a double and its error, but for that of log1p."""
    return math.log1p(ratio), low / (1.0 + ratio)


@njit(cache=True, error_model="numpy")
def _log_share(
    x: float, low: float, top: float, top_low: float, tail: float, tail_low: float, scale: Scale
) -> float:
    """Return the logarithm of a class's share, where tail is that of 1 + the sum behind the top."""
    d = x - top
    other = d - x
    rest = (x - (d - other)) - (top + other) + (low - top_low)
    z, z_low = _divided(d, rest, scale)
    equal = x == top and low == top_low
    z, z_low = (0.0, 0.0) if equal else (z, z_low if abs(z) < FAR else 0.0)
    return z - (tail - (z_low - tail_low))


@njit(cache=True, error_model="numpy")
def _fill_logs(tile: Tile, count: int, scale: Scale, s: Array) -> None:
    """Write the logarithm of each class's share of its lane's total."""
    logits, lows, w, _ = tile
    for i in range(LANES):
        s[TAIL + i], s[TAIL_LOW + i] = _tail(s[RATIO + i], s[RATIO_LOW + i])
    for k in range(count):
        line, low_line, w_line = logits[k], lows[k], w[k]
        for i in range(LANES):
            w_line[i] = _log_share(
                line[i], low_line[i], s[TOP + i], s[LOW + i], s[TAIL + i], s[TAIL_LOW + i], scale
            )


@njit(cache=True, error_model="numpy")
def _take(row: int, state: State, scale: Scale, lane: int, s: Array) -> None:
    """Copy what a state knows of a row to a lane."""
    tops, lows, frames, bins = state
    top, low = tops[row], lows[row]
    s[TOP + lane], s[LOW + lane] = top, low
    s[TOP_W + lane], s[TOP_K + lane], origin = _term_beside(top, low, top, low, scale)
    s[FRAME + lane] = max(np.float64(frames[row] - origin), LEAST)
    for b in range(4):
        s[BIN_1 + b * LANES + lane] = bins[row, b]


@njit(cache=True, error_model="numpy")
def _give(first: int, end: int, s: Array, near: bool, origins: Whole, state: State) -> None:
    """Copy what lanes know to the states of rows."""
    tops, lows, frames, bins = state
    for row in range(first, end):
        i = row - first
        tops[row], lows[row] = s[TOP + i], s[LOW + i]
        frame, origin = s[FRAME + i], np.int64(0) if near else origins[i]
        frames[row] = np.int64(frame) + origin if frame > LEAST else EMPTY
        for b in range(4):
            bins[row, b] = s[BIN_1 + b * LANES + i]


@njit(cache=True, error_model="numpy")
def _refuse(limit: bool, s: Array) -> None:
    """Make lanes NaN whose maximum is, or is infinite and has no limit."""
    for i in range(LANES):
        if s[TOP + i] != s[TOP + i] or (not limit and math.isinf(s[TOP + i])):
            s[RATIO + i], s[TOTAL + i] = np.nan, np.nan


@njit(cache=True, error_model="numpy")
def _is_near(bound: float, s: Array) -> bool:
    """Say whether the vector loops may do a tile: all logits are less than bound, or -inf."""
    odd = 0.0
    for i in range(LANES):
        odd += s[ODD + i] if abs(s[TOP + i]) < bound else 1.0
    return odd == 0.0


@njit(cache=True, error_model="numpy")
def _write(
    tile: Tile,
    starts: Whole,
    counts: Whole,
    stride: int,
    scale: Scale,
    what: int,
    limit: bool,
    s: Array,
    out: Array,
) -> None:
    """Write the softmax of lanes, or the logarithm of it."""
    _total(s)
    _refuse(limit, s)
    if what == SHARES:
        _fill_shares(tile[2], tile[3], counts[0], s)
    else:
        _fill_logs(tile, counts[0], scale, s)
    _store(tile[2], starts, counts, stride, out)


@njit(cache=True, nogil=True, error_model="numpy")
def work(
    x: Array,
    low: Array,
    shape: tuple[int, int, int],
    length: int,
    scale: Scale,
    state: State,
    given: bool,
    what: int,
    limit: bool,
    out: Array,
) -> None:
    """Work on every lane of an array: find its state, write its softmax or the logarithm of it.

    The states are those of the rows if `given`, else they are written, lane by lane; or nowhere, if
    they are empty. Unless given, a lane must be a whole row to write anything else.
    """
    rows = shape[0] * shape[2]
    lanes = rows * -(-shape[1] // length)
    size = (length, LANES)
    tile = (np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size))
    s, origins = np.zeros(LINES * LANES), np.zeros(LANES, np.int64)
    starts, counts = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    bound = 0.99 * NEAR * (scale[0] / scale[1])
    for first in range(0, lanes, LANES):
        _place_lanes(first, shape, length, starts, counts)
        _load(x, starts, counts, shape[2], -np.inf, tile[0])
        if low.size:
            _load(low, starts, counts, shape[2], 0.0, tile[1])
        _find_tops(tile[0], counts[0], bound, s)
        if given:
            for i in range(LANES):
                _take(min(first + i, lanes - 1) % rows, state, scale, i, s)
        near = not low.size and _is_near(bound, s)
        if near:
            _fill_near(tile, counts[0], scale, s)
        else:
            _fill_far(tile, counts[0], scale, given, s, origins)
        if not given:
            _sum_terms(tile[2], tile[3], counts[0], s)
        if not given and state[0].size:
            _give(first, min(first + LANES, lanes), s, near, origins, state)
        if what != SUMS:
            _write(tile, starts, counts, shape[2], scale, what, limit, s, out)


@njit(cache=True, nogil=True, error_model="numpy")
def total_rows(state: State, scale: Scale, out: Array) -> None:
    """Write what the states sum up, in four lines.

    All terms but the greatest, divided by that; the logarithm of 1 + this, and what rounding took
    from it; the logarithm of all terms.
    """
    s = np.zeros(LINES * LANES)
    rows = out.shape[1]
    for first in range(0, rows, LANES):
        n = min(LANES, rows - first)
        for i in range(n):
            _take(first + i, state, scale, i, s)
        _total(s)
        _refuse(True, s)
        for i in range(n):
            tail, tail_low = _tail(s[RATIO + i], s[RATIO_LOW + i])
            z, low = _divided(s[TOP + i], s[LOW + i], scale)
            out[0, first + i] = s[RATIO + i]
            out[1, first + i], out[2, first + i] = tail, tail_low
            out[3, first + i] = z if math.isinf(z) else z + (tail + (low + tail_low))


@njit(cache=True, nogil=True, error_model="numpy")
def entropy_rows(
    x: Array,
    low: Array,
    shape: tuple[int, int, int],
    target: Whole,
    scale: Scale,
    state: State,
    totals: Array,
    losses: Array,
    gradient: Array,
) -> None:
    """Write each row's cross-entropy; turn its softmax into the gradient by z."""
    tops, lows, _, _ = state
    _, classes, behind = shape
    for row in range(losses.size):
        at = ((row // behind) * classes + target[row]) * behind + row % behind
        value, rest = x[at], low[at] if low.size else 0.0
        ratio, tail, tail_low = totals[0, row], totals[1, row], totals[2, row]
        losses[row] = -_log_share(value, rest, tops[row], lows[row], tail, tail_low, scale)
        if value == tops[row] and rest == lows[row]:
            # 1 - p without the cancellation of a p near 1.
            gradient[at] = -ratio / (1.0 + ratio)
        else:
            gradient[at] -= 1.0
