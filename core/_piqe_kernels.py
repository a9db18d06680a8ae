"""Compiled loops of MSCN and PIQE.

They share one file because Numba's cache watches only the file of the function that is called: a
kernel that calls one of another file would go on running that file's old code after an edit.

No loop may be compiled with fastmath: strict IEEE arithmetic in a written order is what makes a
tile give the same bits as the whole image. Nothing is padded in memory: a row or column beyond
the array's edge is the edge's (replicate border).
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK = 16
"""Side of PIQE's blocks, in pixels."""
HALO = 3
"""Pixels that the 7 filter taps reach beyond a pixel, on each side."""
TAPS = 2 * HALO + 1
EDGE_WINDOW = 6
"""Pixels in one of the 11 windows along a block's edge."""
STRIP = 512
"""Columns that are worked on at a time: their last 7 rows stay in the fast caches."""

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


@njit(nogil=True, cache=True, error_model="numpy")
def mscn_map(levels: NDArray[Any], half_taps: Floats, constant: float, out: Floats) -> None:
    """Write the MSCN coefficients of all of `levels` into `out`, strip by strip of columns."""
    height, width = levels.shape
    ring = np.empty((3, TAPS, STRIP + 2 * HALO))
    for left in range(0, width, STRIP):
        right = min(left + STRIP, width)
        _fill_ring(ring, levels, 0, left, right, half_taps)
        for row in range(height):
            _filter_row(ring, levels, row + HALO, left, right, half_taps)
            _normalise_row(ring, row, half_taps, constant, out[row, left:right])


@njit(nogil=True, cache=True, error_model="numpy")
def block_maps(
    levels: NDArray[Any],
    region: tuple[int, int, int, int],
    half_taps: Floats,
    constant: float,
    thresholds: tuple[float, float],
    mscn_out: Floats,
    variance: Floats,
    masks: Masks,
) -> None:
    """Judge the blocks of `region` (top, bottom, left, right) of `levels`.

    `variance` is (block_y, block_x), `masks` (3, block_y, block_x): activity, artifact, noise.
    `mscn_out` takes the region's MSCN map, or nothing where it is (0, 0).
    """
    top, bottom, left, right = region
    ring = np.empty((3, TAPS, STRIP + 2 * HALO))
    stripe = np.empty((BLOCK, STRIP))
    sums = np.empty((2, STRIP))
    for first in range(left, right, STRIP):
        blocks = min(STRIP, right - first + BLOCK - 1) // BLOCK
        last = first + blocks * BLOCK
        column = (first - left) // BLOCK
        _fill_ring(ring, levels, top, first, last, half_taps)
        for i in range(variance.shape[0]):
            _fill_stripe(
                stripe, sums, ring, levels, top + i * BLOCK, first, last, half_taps, constant
            )
            if mscn_out.size > 0:
                kept = stripe[: min(BLOCK, bottom - top - i * BLOCK), : min(last, right) - first]
                _copy(kept, mscn_out, i * BLOCK, first - left)
            for j in range(blocks):
                inside = slice(j * BLOCK, (j + 1) * BLOCK)
                block, moments = stripe[:, inside], sums[:, inside]
                _judge_block(block, moments, thresholds, variance, masks, i, column + j)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_stripe(
    stripe: Floats,
    sums: Floats,
    ring: Floats,
    levels: NDArray[Any],
    top: int,
    left: int,
    right: int,
    half_taps: Floats,
    constant: float,
) -> None:
    """Write the 16 MSCN rows from `top` on, and each column's sum and sum of squares."""
    sums[:] = 0.0
    for r in range(BLOCK):
        row = stripe[r, : right - left]
        _filter_row(ring, levels, top + r + HALO, left, right, half_taps)
        _normalise_row(ring, top + r, half_taps, constant, row)
        _add_moments(row, sums)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_ring(
    ring: Floats, levels: NDArray[Any], top: int, left: int, right: int, half_taps: Floats
) -> None:
    for row in range(top - HALO, top + HALO):
        _filter_row(ring, levels, row, left, right, half_taps)


@njit(nogil=True, cache=True, error_model="numpy")
def _filter_row(
    ring: Floats, levels: NDArray[Any], row: int, left: int, right: int, half_taps: Floats
) -> None:
    """Put a row's levels, and its horizontally filtered levels and squares, into its ring slot."""
    height, width = levels.shape
    source = levels[min(max(row, 0), height - 1)]
    values, mean, square = ring[0, row % TAPS], ring[1, row % TAPS], ring[2, row % TAPS]
    origin = left - HALO
    first, stop = max(origin, 0), max(min(right + HALO, width), 1)
    for t in range(first, stop):
        values[t - origin] = source[t]
    values[: first - origin] = source[0]
    values[stop - origin : right + HALO - origin] = source[width - 1]
    g0, g1, g2, g3 = half_taps[0], half_taps[1], half_taps[2], half_taps[3]
    for t in range(right - left):
        a, b, c, d = values[t], values[t + 1], values[t + 2], values[t + 3]
        e, f, g = values[t + 4], values[t + 5], values[t + 6]
        mean[t] = g0 * d + (g1 * (c + e) + (g2 * (b + f) + g3 * (a + g)))
        square[t] = g0 * (d * d) + (
            g1 * (c * c + e * e) + (g2 * (b * b + f * f) + g3 * (a * a + g * g))
        )


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise_row(ring: Floats, row: int, half_taps: Floats, constant: float, out: Floats) -> None:
    """Filter the ring vertically about `row` and write that row's MSCN coefficients."""
    a, b, c, d = (row + 4) % TAPS, (row + 5) % TAPS, (row + 6) % TAPS, row % TAPS
    e, f, g = (row + 1) % TAPS, (row + 2) % TAPS, (row + 3) % TAPS
    values = ring[0, d, HALO:]
    m0, m1, m2, m3, m4, m5, m6 = (ring[1, a], ring[1, b], ring[1, c], ring[1, d],
                                  ring[1, e], ring[1, f], ring[1, g])  # fmt: skip
    s0, s1, s2, s3, s4, s5, s6 = (ring[2, a], ring[2, b], ring[2, c], ring[2, d],
                                  ring[2, e], ring[2, f], ring[2, g])  # fmt: skip
    g0, g1, g2, g3 = half_taps[0], half_taps[1], half_taps[2], half_taps[3]
    for t in range(out.size):
        mean = g0 * m3[t] + (g1 * (m2[t] + m4[t]) + (g2 * (m1[t] + m5[t]) + g3 * (m0[t] + m6[t])))
        square = g0 * s3[t] + (g1 * (s2[t] + s4[t]) + (g2 * (s1[t] + s5[t]) + g3 * (s0[t] + s6[t])))
        contrast = np.sqrt(np.abs(square - mean * mean))
        out[t] = (values[t] - mean) / (contrast + constant)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_moments(row: Floats, sums: Floats) -> None:
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
    block: Floats,
    sums: Floats,
    thresholds: tuple[float, float],
    variance: Floats,
    masks: Masks,
    i: int,
    j: int,
) -> None:
    total, square = 0.0, 0.0
    for t in range(BLOCK):
        total += sums[0, t]
        square += sums[1, t]
    spread = _variance(total, square, BLOCK * BLOCK)
    active = spread > thresholds[0]
    variance[i, j] = spread
    masks[0, i, j] = active
    masks[1, i, j] = active and _has_artifact(block, thresholds[1])
    masks[2, i, j] = active and _is_noisy(sums, total, square, np.sqrt(spread))


@njit(nogil=True, cache=True, error_model="numpy")
def _variance(total: float, square: float, count: int) -> float:
    return max((square - total * total / count) / (count - 1), 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _is_noisy(sums: Floats, total: float, square: float, deviation: float) -> bool:
    """Compare the centre columns 7, 8 with all but 7 and 9: the reference's own surround."""
    centre = _variance(sums[0, 7] + sums[0, 8], sums[1, 7] + sums[1, 8], 2 * BLOCK)
    surround = _variance(
        total - sums[0, 7] - sums[0, 9], square - sums[1, 7] - sums[1, 9], 14 * BLOCK
    )
    ratio = np.sqrt(centre) / np.sqrt(surround)
    if np.isnan(ratio):
        ratio = 0.0
    return bool(deviation > 2.0 * (abs(deviation - ratio) / max(deviation, ratio)))


@njit(nogil=True, cache=True, error_model="numpy")
def _has_artifact(block: Floats, threshold: float) -> bool:
    """Tell whether 6 neighbours along an edge deviate less than `threshold`."""
    last = BLOCK - 1
    limit = threshold * threshold * (EDGE_WINDOW - 1)
    return (
        _has_even_window(block[0], limit)
        or _has_even_window(block[last], limit)
        or _has_even_window(block[:, 0], limit)
        or _has_even_window(block[:, last], limit)
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _has_even_window(edge: Floats, limit: float) -> bool:
    for start in range(BLOCK - EDGE_WINDOW + 1):
        mean = 0.0
        for t in range(EDGE_WINDOW):
            mean += edge[start + t]
        mean /= EDGE_WINDOW
        spread = 0.0
        for t in range(EDGE_WINDOW):
            spread += (edge[start + t] - mean) ** 2
        if spread < limit:
            return True
    return False
