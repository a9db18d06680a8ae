"""Compiled loops of soft PIQE's gradient: from its blocks back to the gray levels.

The transposed filter is not the filter where edge pixels repeat: what a repeated pixel receives
belongs to the edge pixel that it repeats. The filter's border and the padding to whole blocks
repeat the same pixels, so one fold serves both.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core._piqe_kernels import BLOCK, HALO, TAPS
from core._soft_block_kernels import BlockMaps

REACH = 2 * HALO
"""Zeros on each side of a row that the transposed filter reads, beyond the row's own ends."""

Floats = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def gradient_band(
    levels: Floats,
    top: int,
    half_taps: Floats,
    constant: float,
    pooled: float,
    maps: BlockMaps,
    mscn: Floats,
    contrast: Floats,
    ring: Floats,
    out: Floats,
) -> None:
    """Add to `out`, (y, x), what a band of MSCN coefficients passes on to the gray levels.

    `pooled` is a hundredth of the score. `ring` is (3, 7, padded_x + 6), 0 before the first band;
    it carries the last rows to the next.
    """
    spread = np.zeros((2, mscn.shape[1] + 2 * REACH))
    total = np.empty((2, ring.shape[2]))
    lines = np.empty((3, mscn.shape[1]))
    for r in range(mscn.shape[0]):
        row = top + r
        if row % BLOCK == 0:
            _fill_lines(lines, row // BLOCK, pooled, maps)
        _differentiate_row(lines, mscn[r], row, maps)
        slot, source = row % TAPS, levels[min(row, levels.shape[0] - 1)]
        direct, by_mean, by_square = ring[2, slot, HALO:], spread[0, REACH:], spread[1, REACH:]
        _pass_mscn(lines[2], source, mscn[r], contrast[r], constant, direct, by_mean, by_square)
        _filter_row(spread[0], half_taps, ring[0, slot])
        _filter_row(spread[1], half_taps, ring[1, slot])
        _collect_row(ring, levels, row - HALO, half_taps, total, out)


@njit(nogil=True, cache=True, error_model="numpy")
def finish_gradient(
    levels: Floats, rows: int, half_taps: Floats, ring: Floats, out: Floats
) -> None:
    """Add to `out` what `ring` still holds after the last of `rows` rows."""
    total = np.empty((2, ring.shape[2]))
    for row in range(rows, rows + REACH):
        ring[:, row % TAPS] = 0.0
        _collect_row(ring, levels, row - HALO, half_taps, total, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_lines(lines: Floats, i: int, pooled: float, maps: BlockMaps) -> None:
    """Write the slope and offset that lead from a column's coefficients to their derivatives."""
    slopes, offsets = lines[0], lines[1]
    for j in range(maps.weight.shape[1]):
        rates, means = maps.rates[i, j], maps.means[i, j]
        block = rates[1] + (maps.distortion[i, j] - pooled) * rates[0]
        block *= 2.0 / (BLOCK * BLOCK - 1)
        centre, surround = 2.0 * rates[2] / (2 * BLOCK - 1), 2.0 * rates[3] / (14 * BLOCK - 1)
        for t in range(BLOCK):
            slope, offset = block, block * means[0]
            if t in (7, 8):
                slope += centre
                offset += centre * means[1]
            if t != 7 and t != maps.lacking:
                slope += surround
                offset += surround * means[2]
            slopes[j * BLOCK + t], offsets[j * BLOCK + t] = slope, -offset


@njit(nogil=True, cache=True, error_model="numpy")
def _differentiate_row(lines: Floats, mscn: Floats, row: int, maps: BlockMaps) -> None:
    """Write the derivative by a row of MSCN coefficients into the last of `lines`."""
    slopes, offsets, by_mscn = lines[0], lines[1], lines[2]
    for t in range(mscn.size):
        by_mscn[t] = slopes[t] * mscn[t] + offsets[t]
    i, r = row // BLOCK, row % BLOCK
    for j in range(maps.weight.shape[1]):
        edges, first = maps.edges[i, j], j * BLOCK
        by_mscn[first] += edges[2, r]
        by_mscn[first + BLOCK - 1] += edges[3, r]
        if r in (0, BLOCK - 1):
            edge = edges[0] if r == 0 else edges[1]
            for t in range(BLOCK):
                by_mscn[first + t] += edge[t]


@njit(nogil=True, cache=True, error_model="numpy")
def _pass_mscn(
    by_mscn: Floats,
    source: Floats,
    mscn: Floats,
    contrast: Floats,
    constant: float,
    direct: Floats,
    by_mean: Floats,
    by_square: Floats,
) -> None:
    """Write a row's derivatives by its own levels, its local means and its local squares."""
    final = source[source.size - 1]
    for t in range(mscn.size):
        level = source[t] if t < source.size else final
        divisor = contrast[t] + constant
        share = by_mscn[t] / (divisor * contrast[t])
        by_own = share * contrast[t]
        square = -0.5 * share * mscn[t]
        direct[t], by_square[t] = by_own, square
        by_mean[t] = -by_own - 2.0 * (level - mscn[t] * divisor) * square


@njit(nogil=True, cache=True, error_model="numpy")
def _filter_row(values: Floats, half_taps: Floats, out: Floats) -> None:
    g0, g1, g2, g3 = half_taps[0], half_taps[1], half_taps[2], half_taps[3]
    for t in range(out.size):
        a, b, c, d = values[t], values[t + 1], values[t + 2], values[t + 3]
        e, f, g = values[t + 4], values[t + 5], values[t + 6]
        out[t] = g0 * d + (g1 * (c + e) + (g2 * (b + f) + g3 * (a + g)))


@njit(nogil=True, cache=True, error_model="numpy")
def _collect_row(
    ring: Floats, levels: Floats, row: int, half_taps: Floats, total: Floats, out: Floats
) -> None:
    """Filter the ring vertically about `row` and add the result to the pixels it stands for."""
    last = levels.shape[1] - 1
    target = min(max(row, 0), levels.shape[0] - 1)
    source, result, direct = levels[target], out[target], ring[2, row % TAPS]
    by_mean, by_square = total[0], total[1]
    _filter_column(ring[0], row, half_taps, by_mean)
    _filter_column(ring[1], row, half_taps, by_square)
    for t in range(by_mean.size):
        by_mean[t] += direct[t]
    for t in range(last + 1):
        result[t] += by_mean[t + HALO] + 2.0 * source[t] * by_square[t + HALO]
    for t in range(HALO):
        result[0] += by_mean[t] + 2.0 * source[0] * by_square[t]
    for t in range(last + 1 + HALO, by_mean.size):
        result[last] += by_mean[t] + 2.0 * source[last] * by_square[t]


@njit(nogil=True, cache=True, error_model="numpy")
def _filter_column(ring: Floats, row: int, half_taps: Floats, out: Floats) -> None:
    a, b, c = ring[(row + 4) % TAPS], ring[(row + 5) % TAPS], ring[(row + 6) % TAPS]
    d, e, f = ring[row % TAPS], ring[(row + 1) % TAPS], ring[(row + 2) % TAPS]
    g = ring[(row + 3) % TAPS]
    g0, g1, g2, g3 = half_taps[0], half_taps[1], half_taps[2], half_taps[3]
    for t in range(out.size):
        out[t] = g0 * d[t] + (g1 * (c[t] + e[t]) + (g2 * (b[t] + f[t]) + g3 * (a[t] + g[t])))
