"""Compiled loops of MSCN and PIQE.

They share one file because Numba's cache watches only the file of the function that is called: a
kernel that calls one of another file would go on running that file's old code after an edit.

No loop may be compiled with fastmath: strict IEEE arithmetic in a written order is what makes a
tile give the same bits as the whole image. Nothing is padded in memory: a row or column beyond
the array's edge is the edge's (replicate border). The dtype of the taps is the precision.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK = 16
"""Side of PIQE's blocks, in pixels."""
HALO = 3
"""Pixels that the 7 filter taps reach beyond a pixel, on each side."""
TAPS = 2 * HALO + 1
EDGE_WINDOW = 6
"""Pixels in one of the windows along a block's edge."""
WINDOWS = BLOCK - EDGE_WINDOW + 1
STRIP = 512
"""Columns that are worked on at a time: their last 7 rows stay in the fast caches."""
MARGIN = 1
"""MSCN columns on each side of a strip, and rows above it, that neighbour products need."""

DIRECTIONS = 4
"""Neighbour products: horizontal, vertical, main diagonal, secondary diagonal."""
MOMENTS = 2 + 4 * DIRECTIONS
"""Sums of |m| and m², then for each direction of |p|, p², p |p|, and the signs of products p."""

# Adding and taking away 1.5 * 2**(52 - k) rounds to multiples of 2**-k; sums of those are exact,
# and so the same in any order, up to 2**(53 - k).
_COARSE = 1.5 * 2.0**42
_FINE = 1.5 * 2.0**12
_LARGEST_MOMENT = 2.0**40

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_NEGATIVE = np.float32(2.0**-20)
"""What a negative product counts where a positive one counts 1: a block's number of positive ones
is then the coarse part of the sum, and that of negative ones the fine part, times 2**20."""

Floats = NDArray[Any]
Singles = NDArray[np.float32]
Masks = NDArray[np.bool_]


class Window(NamedTuple):
    """The Gaussian and the normalisation, in the precision of the taps."""

    half_taps: Floats
    constant: Any
    shift: Any
    negligible: np.float32


class Region(NamedTuple):
    """The pixels of an array whose blocks are judged, and how they are padded to whole blocks."""

    top: int
    bottom: int
    left: int
    right: int
    symmetric: bool


class Rules(NamedTuple):
    """What makes a block active, an edge distorted, and which column the surround lacks too."""

    activity: float
    distortion: float
    lacking: int


@njit(nogil=True, cache=True, error_model="numpy")
def mscn_map(levels: NDArray[Any], window: Window, out: Floats) -> None:
    """Write the MSCN coefficients of all of `levels` into `out`, strip by strip of columns."""
    height, width = levels.shape
    region = Region(0, height, 0, width, False)
    ring = np.empty((3, TAPS, STRIP + 2 * HALO), window.half_taps.dtype)
    for left in range(0, width, STRIP):
        right = min(left + STRIP, width)
        _fill_ring(ring, levels, region, 0, left, right, window)
        for row in range(height):
            _filter_row(ring, levels, region, row + HALO, left, right, window)
            _normalise_row(ring, row, window, out[row, left:right])


@njit(nogil=True, cache=True, error_model="numpy")
def block_maps(
    levels: NDArray[Any],
    region: Region,
    window: Window,
    rules: Rules,
    mscn_out: Floats,
    variance: Floats,
    masks: Masks,
    moments: Floats,
) -> None:
    """Judge the blocks of a region.

    `variance` is (block_y, block_x), `masks` (3, block_y, block_x): activity, artifact, noise.
    `mscn_out` takes the region's MSCN map, or nothing where it is (0, 0). `moments` gains what
    `MOMENTS` says of the region's pixels, each (coarse, fine), or nothing where it is (0, 2).
    """
    dtype = window.half_taps.dtype
    ring = np.empty((3, TAPS, STRIP + 2 * (MARGIN + HALO)), dtype)
    stripe = np.empty((MARGIN + BLOCK, STRIP + 2 * MARGIN), dtype)
    sums = np.empty((2, STRIP), dtype)
    products = np.empty((MOMENTS, STRIP), np.float32)
    singles = np.empty((2, STRIP + 2 * MARGIN), np.float32)
    edges = np.empty((BLOCK + 1, 2 * STRIP // BLOCK), dtype)
    spread, least = np.empty(STRIP, dtype), np.empty(STRIP // BLOCK)
    for first in range(region.left, region.right, STRIP):
        blocks = min(STRIP, region.right - first + BLOCK - 1) // BLOCK
        last = first + blocks * BLOCK
        inside = min(last, region.right) - first
        column = (first - region.left) // BLOCK
        _begin_strip(ring, stripe, levels, region, first, last, window)
        for i in range(variance.shape[0]):
            top = region.top + i * BLOCK
            rows = min(BLOCK, region.bottom - top)
            _fill_stripe(stripe, sums, ring, levels, region, top, first, last, window)
            _least_spreads(stripe, blocks, edges, spread, least)
            for j in range(blocks):
                _judge_block(sums, j, least[j], rules, variance, masks, i, column + j)
            if mscn_out.size > 0:
                own = stripe[MARGIN : MARGIN + rows, MARGIN : MARGIN + inside]
                _copy(own, mscn_out, top - region.top, first - region.left)
            if moments.size > 0:
                place = (levels.shape[1], top, first, rows, inside)
                _sum_products(products, singles, stripe, place, window.negligible)
                _add_moments(products, inside, moments)


@njit(nogil=True, cache=True, error_model="numpy")
def _begin_strip(
    ring: Floats,
    stripe: Floats,
    levels: NDArray[Any],
    region: Region,
    first: int,
    last: int,
    window: Window,
) -> None:
    """Fill the ring, and put the MSCN row above the region last in the stripe."""
    above, left, right = region.top - MARGIN, first - MARGIN, last + MARGIN
    _fill_ring(ring, levels, region, above, left, right, window)
    _filter_row(ring, levels, region, above + HALO, left, right, window)
    _normalise_row(ring, above, window, stripe[BLOCK, : right - left])


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_stripe(
    stripe: Floats,
    sums: Floats,
    ring: Floats,
    levels: NDArray[Any],
    region: Region,
    top: int,
    first: int,
    last: int,
    window: Window,
) -> None:
    """Write the 16 MSCN rows from `top` on, and each column's sum and sum of squares."""
    left, right = first - MARGIN, last + MARGIN
    stripe[0] = stripe[BLOCK]
    sums[:] = 0
    for r in range(BLOCK):
        row = stripe[MARGIN + r, : right - left]
        _filter_row(ring, levels, region, top + r + HALO, left, right, window)
        _normalise_row(ring, top + r, window, row)
        _add_squares(row[MARGIN : MARGIN + last - first], sums)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_ring(
    ring: Floats,
    levels: NDArray[Any],
    region: Region,
    top: int,
    left: int,
    right: int,
    window: Window,
) -> None:
    for row in range(top - HALO, top + HALO):
        _filter_row(ring, levels, region, row, left, right, window)


@njit(nogil=True, cache=True, error_model="numpy")
def _pixel(index: int, size: int, start: int, symmetric: bool) -> int:
    """Return which of `size` rows or columns stands at an index beyond them.

    Behind its end the image is padded to whole blocks, counted from `start`, with its edge or its
    mirror image; beyond those, and before it, the edge repeats.
    """
    if 0 <= index < size:
        return index
    padded = start + (size - start + BLOCK - 1) // BLOCK * BLOCK
    index = max(0, min(index, padded - 1))
    if not symmetric:
        return min(index, size - 1)
    index %= 2 * size
    return min(index, 2 * size - 1 - index)


@njit(nogil=True, cache=True, error_model="numpy")
def _filter_row(
    ring: Floats,
    levels: NDArray[Any],
    region: Region,
    row: int,
    left: int,
    right: int,
    window: Window,
) -> None:
    """Put a row's levels, and its horizontally filtered levels and squares, into its ring slot."""
    height, width = levels.shape
    source = levels[_pixel(row, height, region.top, region.symmetric)]
    values, mean, square = ring[0, row % TAPS], ring[1, row % TAPS], ring[2, row % TAPS]
    origin, end = left - HALO, right + HALO
    first, stop = min(max(origin, 0), width), max(min(end, width), 0)
    shift = window.shift
    for t in range(first, stop):
        values[t - origin] = source[t] - shift
    for t in range(origin, first):
        values[t - origin] = source[0] - shift
    for t in range(stop, end):
        column = _pixel(t, width, region.left, region.symmetric)
        values[t - origin] = source[column] - shift
    g0, g1, g2, g3 = (
        window.half_taps[0],
        window.half_taps[1],
        window.half_taps[2],
        window.half_taps[3],
    )
    for t in range(right - left):
        a, b, c, d = values[t], values[t + 1], values[t + 2], values[t + 3]
        e, f, g = values[t + 4], values[t + 5], values[t + 6]
        mean[t] = g0 * d + (g1 * (c + e) + (g2 * (b + f) + g3 * (a + g)))
        square[t] = g0 * (d * d) + (
            g1 * (c * c + e * e) + (g2 * (b * b + f * f) + g3 * (a * a + g * g))
        )


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise_row(ring: Floats, row: int, window: Window, out: Floats) -> None:
    """Filter the ring vertically about `row` and write that row's MSCN coefficients."""
    a, b, c, d = (row + 4) % TAPS, (row + 5) % TAPS, (row + 6) % TAPS, row % TAPS
    e, f, g = (row + 1) % TAPS, (row + 2) % TAPS, (row + 3) % TAPS
    values = ring[0, d, HALO:]
    m0, m1, m2, m3, m4, m5, m6 = (ring[1, a], ring[1, b], ring[1, c], ring[1, d],
                                  ring[1, e], ring[1, f], ring[1, g])  # fmt: skip
    s0, s1, s2, s3, s4, s5, s6 = (ring[2, a], ring[2, b], ring[2, c], ring[2, d],
                                  ring[2, e], ring[2, f], ring[2, g])  # fmt: skip
    g0, g1, g2, g3 = (
        window.half_taps[0],
        window.half_taps[1],
        window.half_taps[2],
        window.half_taps[3],
    )
    for t in range(out.size):
        mean = g0 * m3[t] + (g1 * (m2[t] + m4[t]) + (g2 * (m1[t] + m5[t]) + g3 * (m0[t] + m6[t])))
        square = g0 * s3[t] + (g1 * (s2[t] + s4[t]) + (g2 * (s1[t] + s5[t]) + g3 * (s0[t] + s6[t])))
        contrast = np.sqrt(np.abs(square - mean * mean))
        out[t] = (values[t] - mean) / (contrast + window.constant)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_squares(row: Floats, sums: Floats) -> None:
    for t in range(row.size):
        sums[0, t] += row[t]
        sums[1, t] += row[t] * row[t]


@njit(nogil=True, cache=True, error_model="numpy")
def _copy(part: Floats, out: Floats, top: int, left: int) -> None:
    for r in range(part.shape[0]):
        for t in range(part.shape[1]):
            out[top + r, left + t] = part[r, t]


@njit(nogil=True, cache=True, error_model="numpy")
def _judge_block(
    sums: Floats,
    block: int,
    least: float,
    rules: Rules,
    variance: Floats,
    masks: Masks,
    i: int,
    j: int,
) -> None:
    first = block * BLOCK
    total, square = _sum_16(sums[0], first), _sum_16(sums[1], first)
    spread = _variance(total, square, BLOCK * BLOCK)
    active = spread > rules.activity
    variance[i, j] = spread
    masks[0, i, j] = active
    masks[1, i, j] = active and least < rules.distortion * rules.distortion * (EDGE_WINDOW - 1)
    masks[2, i, j] = active and _is_noisy(sums, first, total, square, rules.lacking)


@njit(nogil=True, cache=True, error_model="numpy")
def _variance(total: float, square: float, count: int) -> float:
    return max((square - total * total / count) / (count - 1), 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _is_noisy(sums: Floats, first: int, total: float, square: float, lacking: int) -> bool:
    """Compare the centre columns 7 and 8 with all columns but 7 and the lacking one."""
    seven, eight, lack = first + 7, first + 8, first + lacking
    centre = _variance(
        np.float64(sums[0, seven]) + sums[0, eight],
        np.float64(sums[1, seven]) + sums[1, eight],
        2 * BLOCK,
    )
    surround = _variance(
        total - sums[0, seven] - sums[0, lack], square - sums[1, seven] - sums[1, lack], 14 * BLOCK
    )
    deviation = np.sqrt(_variance(total, square, BLOCK * BLOCK))
    ratio = np.sqrt(centre) / np.sqrt(surround)
    if np.isnan(ratio):
        ratio = 0.0
    return bool(deviation > 2.0 * (abs(deviation - ratio) / max(deviation, ratio)))


@njit(nogil=True, cache=True, error_model="numpy")
def _least_spreads(
    stripe: Floats, blocks: int, edges: Floats, spread: Floats, least: Floats
) -> None:
    """Write each block's least sum of squared deviations of 6 neighbours along an edge.

    The upper and lower edges are runs of the stripe's rows; the left and right ones are brought
    side by side, so that both are worked on many columns at a time.
    """
    sixth = stripe.dtype.type(1.0 / EDGE_WINDOW)
    upper, lower = stripe[MARGIN][MARGIN:], stripe[MARGIN + BLOCK - 1][MARGIN:]
    for t in range(blocks * BLOCK - EDGE_WINDOW + 1):
        spread[t] = min(_spread_along(upper, t, sixth), _spread_along(lower, t, sixth))
    for r in range(BLOCK):
        row = stripe[MARGIN + r]
        for j in range(blocks):
            edges[r, j] = row[MARGIN + j * BLOCK]
            edges[r, blocks + j] = row[MARGIN + j * BLOCK + BLOCK - 1]
    sides = edges[BLOCK]
    sides[:] = np.inf
    for s in range(WINDOWS):
        e0, e1, e2, e3, e4, e5 = (edges[s], edges[s + 1], edges[s + 2],
                                  edges[s + 3], edges[s + 4], edges[s + 5])  # fmt: skip
        for t in range(2 * blocks):
            sides[t] = min(sides[t], _spread(e0[t], e1[t], e2[t], e3[t], e4[t], e5[t], sixth))
    for j in range(blocks):
        k = j * BLOCK
        a = min(spread[k], spread[k + 1], spread[k + 2], spread[k + 3])
        b = min(spread[k + 4], spread[k + 5], spread[k + 6], spread[k + 7])
        c = min(spread[k + 8], spread[k + 9], spread[k + 10])
        least[j] = min(a, b, c, min(sides[j], sides[blocks + j]))


@njit(nogil=True, cache=True, error_model="numpy")
def _spread_along(x: Floats, t: int, sixth: float) -> float:
    return _spread(x[t], x[t + 1], x[t + 2], x[t + 3], x[t + 4], x[t + 5], sixth)


@njit(nogil=True, cache=True, error_model="numpy")
def _spread(a: float, b: float, c: float, d: float, e: float, f: float, sixth: float) -> float:
    """Return the sum of squared deviations of 6 values from their mean, in their own precision."""
    mean = (a + b + c + d + e + f) * sixth
    a, b, c, d, e, f = a - mean, b - mean, c - mean, d - mean, e - mean, f - mean
    return a * a + b * b + c * c + d * d + e * e + f * f


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_products(
    products: Floats,
    rows: Floats,
    stripe: Floats,
    place: tuple[int, int, int, int, int],
    negligible: np.float32,
) -> None:
    """Sum a stripe's coefficients and their products with neighbours before them, by column.

    A product with a pixel outside the image is none: the first column has no neighbour to the
    left, the last none above to the right, the first row none above.
    """
    width, top, first, height, inside = place
    products[:] = 0
    a, z = MARGIN, MARGIN + inside
    start = a + 1 if first == 0 else a
    stop = z - 1 if first + inside == width else z
    _single(stripe[0, : z + 1], negligible, rows[0])
    for r in range(height):
        above, row = rows[r % 2], rows[(r + 1) % 2]
        _single(stripe[MARGIN + r, : z + 1], negligible, row)
        _add_absolute(row[a:z], products[0], products[1])
        _add_products(row[start:z], row[start - 1 :], products, 2, start - a)
        if top + r > 0:
            _add_products(row[a:z], above[a:], products, 6, 0)
            _add_products(row[start:z], above[start - 1 :], products, 10, start - a)
            _add_products(row[a:stop], above[a + 1 :], products, 14, 0)


@njit(nogil=True, cache=True, error_model="numpy")
def _single(row: Floats, negligible: np.float32, out: Singles) -> None:
    """Round a row to single precision, which is enough for sums; and what is no contrast to 0."""
    for t in range(row.size):
        value = np.float32(row[t])
        out[t] = value if np.abs(value) > negligible else _ZERO


@njit(nogil=True, cache=True, error_model="numpy")
def _add_absolute(row: Singles, absolute: Singles, square: Singles) -> None:
    for t in range(row.size):
        absolute[t] += np.abs(row[t])
        square[t] += row[t] * row[t]


@njit(nogil=True, cache=True, error_model="numpy")
def _add_products(row: Singles, neighbour: Singles, sums: Singles, first: int, column: int) -> None:
    absolute, square = sums[first][column:], sums[first + 1][column:]
    signed, signs = sums[first + 2][column:], sums[first + 3][column:]
    for t in range(row.size):
        product = row[t] * neighbour[t]
        magnitude = np.abs(product)
        absolute[t] += magnitude
        square[t] += product * product
        signed[t] += product * magnitude
        signs[t] += _ONE if product > _ZERO else (_NEGATIVE if product < _ZERO else _ZERO)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_moments(products: Singles, inside: int, moments: Floats) -> None:
    """Add the sums of every block of a stripe, rounded so that any order gives the same bits."""
    folded = np.empty(STRIP)
    half = BLOCK // 2
    blocks = (inside + BLOCK - 1) // BLOCK
    for q in range(MOMENTS):
        columns = products[q]
        for t in range(blocks * BLOCK - half):
            folded[t] = np.float64(columns[t]) + np.float64(columns[t + half])
        for k in range(0, blocks * BLOCK, BLOCK):
            even = (folded[k] + folded[k + 4]) + (folded[k + 2] + folded[k + 6])
            odd = (folded[k + 1] + folded[k + 5]) + (folded[k + 3] + folded[k + 7])
            total = even + odd
            if not np.abs(total) < _LARGEST_MOMENT:  # levels beyond all sense, or not even finite
                total = _LARGEST_MOMENT
            coarse = (total + _COARSE) - _COARSE
            moments[q, 0] += coarse
            moments[q, 1] += (total - coarse + _FINE) - _FINE


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_16(values: Floats, first: int) -> float:
    """Sum a block's columns as a tree: a chain of 16 additions would wait for each of them."""
    total = 0.0
    for k in range(first, first + 4):
        near = np.float64(values[k]) + np.float64(values[k + 4])
        total += near + (np.float64(values[k + 8]) + np.float64(values[k + 12]))
    return total
