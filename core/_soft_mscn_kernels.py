"""Compiled loops of the softened MSCN coefficients: a band of rows at a time, in full width.

They differ from those of `core._piqe_kernels` by a floor of the contrast and in keeping it; they
cannot call those, for the reason given there.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core._piqe_kernels import HALO, TAPS

Floats = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def mscn_band(
    levels: Floats,
    top: int,
    half_taps: Floats,
    constant: float,
    floor: float,
    mscn: Floats,
    contrast: Floats,
) -> None:
    """Write MSCN coefficients and the local contrast for the rows from `top` on.

    `mscn` and `contrast` are (band, padded_x); rows and columns beyond the image are its edge's.
    `floor` is added to the local variance.
    """
    ring = np.empty((3, TAPS, mscn.shape[1] + 2 * HALO))
    for row in range(top - HALO, top + HALO):
        _filter_row(ring, levels, row, half_taps)
    for r in range(mscn.shape[0]):
        _filter_row(ring, levels, top + r + HALO, half_taps)
        _normalise_row(ring, top + r, half_taps, constant, floor, mscn[r], contrast[r])


@njit(nogil=True, cache=True, error_model="numpy")
def _filter_row(ring: Floats, levels: Floats, row: int, half_taps: Floats) -> None:
    """Put a row's levels, and its horizontally filtered levels and squares, into its ring slot."""
    height, width = levels.shape
    source = levels[min(max(row, 0), height - 1)]
    values, mean, square = ring[0, row % TAPS], ring[1, row % TAPS], ring[2, row % TAPS]
    values[:HALO] = source[0]
    values[HALO : HALO + width] = source
    values[HALO + width :] = source[width - 1]
    g0, g1, g2, g3 = half_taps[0], half_taps[1], half_taps[2], half_taps[3]
    for t in range(values.size - 2 * HALO):
        a, b, c, d = values[t], values[t + 1], values[t + 2], values[t + 3]
        e, f, g = values[t + 4], values[t + 5], values[t + 6]
        mean[t] = g0 * d + (g1 * (c + e) + (g2 * (b + f) + g3 * (a + g)))
        square[t] = g0 * (d * d) + (
            g1 * (c * c + e * e) + (g2 * (b * b + f * f) + g3 * (a * a + g * g))
        )


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise_row(
    ring: Floats,
    row: int,
    half_taps: Floats,
    constant: float,
    floor: float,
    mscn: Floats,
    contrast: Floats,
) -> None:
    """Filter the ring vertically about `row`; write its MSCN coefficients and contrast."""
    a, b, c, d = (row + 4) % TAPS, (row + 5) % TAPS, (row + 6) % TAPS, row % TAPS
    e, f, g = (row + 1) % TAPS, (row + 2) % TAPS, (row + 3) % TAPS
    values = ring[0, d, HALO:]
    m0, m1, m2, m3, m4, m5, m6 = (ring[1, a], ring[1, b], ring[1, c], ring[1, d],
                                  ring[1, e], ring[1, f], ring[1, g])  # fmt: skip
    s0, s1, s2, s3, s4, s5, s6 = (ring[2, a], ring[2, b], ring[2, c], ring[2, d],
                                  ring[2, e], ring[2, f], ring[2, g])  # fmt: skip
    g0, g1, g2, g3 = half_taps[0], half_taps[1], half_taps[2], half_taps[3]
    for t in range(mscn.size):
        mean = g0 * m3[t] + (g1 * (m2[t] + m4[t]) + (g2 * (m1[t] + m5[t]) + g3 * (m0[t] + m6[t])))
        square = g0 * s3[t] + (g1 * (s2[t] + s4[t]) + (g2 * (s1[t] + s5[t]) + g3 * (s0[t] + s6[t])))
        # Below 0 the difference is rounding error; the hard score takes it as it is here, too.
        deviation = np.sqrt(np.abs(square - mean * mean) + floor)
        contrast[t] = deviation
        mscn[t] = (values[t] - mean) / (deviation + constant)
