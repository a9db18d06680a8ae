"""Compiled loops of soft PIQE's blocks: how they score, and how that answers to MSCN coefficients.

They call each other and so share one file, for the reason that `core._piqe_kernels` gives.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core._piqe_kernels import BLOCK, EDGE_WINDOW, WINDOWS

LAPPING = EDGE_WINDOW - 1
NEGLIGIBLE = 45.0
"""A window this many temperatures above the lowest weighs less than 3e-20 of it: nothing."""

Floats = NDArray[np.float64]


class Knobs(NamedTuple):
    """What the loops need of `SoftPiqeParams`."""

    activity_threshold: float
    activity_temperature: float
    distortion_threshold: float
    distortion_temperature: float
    window_temperature: float
    noise_temperature: float
    ratio_smoothing: float
    variance_floor: float
    """The square of `deviation_floor`."""


class BlockMaps(NamedTuple):
    """Each block's part in the score, and its derivatives by what was measured of the block."""

    weight: Floats
    """(block_y, block_x) array: activity, 0 to 1."""
    distortion: Floats
    """(block_y, block_x) array: what the block adds to the score's sum, before its weight."""
    rates: Floats
    """(block_y, block_x, 4) array: weight by variance; weight times distortion by the variance of
    the block, of its centre and of its surround."""
    means: Floats
    """(block_y, block_x, 3) array: mean of the block, of its centre and of its surround."""
    edges: Floats
    """(block_y, block_x, 4, 16) array: weight times distortion by the coefficients of the top,
    bottom, left and right edge."""
    lacking: int
    """The column that the surround lacks beside 7: the reference's 9, or 8."""


@njit(nogil=True, cache=True, error_model="numpy")
def judge_band(mscn: Floats, first: int, knobs: Knobs, maps: BlockMaps) -> None:
    """Fill `maps` from row of blocks `first` on, from a band of MSCN coefficients."""
    sums = np.empty((2, mscn.shape[1]))
    windows = np.empty((3, 4, WINDOWS))
    padded = np.zeros((2, WINDOWS + 2 * LAPPING))
    for i in range(mscn.shape[0] // BLOCK):
        rows = mscn[i * BLOCK : (i + 1) * BLOCK]
        _sum_columns(rows, sums)
        for j in range(maps.weight.shape[1]):
            inside = slice(j * BLOCK, (j + 1) * BLOCK)
            edges = maps.edges[first + i, j]
            artifact = _artifact(rows[:, inside], knobs, windows, padded, edges)
            _judge_block(artifact, sums[:, inside], knobs, maps, first + i, j)


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_columns(rows: Floats, sums: Floats) -> None:
    sums[:] = 0.0
    for r in range(rows.shape[0]):
        for t in range(rows.shape[1]):
            sums[0, t] += rows[r, t]
            sums[1, t] += rows[r, t] * rows[r, t]


@njit(nogil=True, cache=True, error_model="numpy")
def _judge_block(
    artifact: float, sums: Floats, knobs: Knobs, maps: BlockMaps, i: int, j: int
) -> None:
    """Write one block's weight, distortion and rates; scale its edges by the weight."""
    total, square = 0.0, 0.0
    for t in range(BLOCK):
        total += sums[0, t]
        square += sums[1, t]
    mean, variance = _moments(total, square, BLOCK * BLOCK)
    centre_mean, centre = _moments(sums[0, 7] + sums[0, 8], sums[1, 7] + sums[1, 8], 2 * BLOCK)
    surround_mean, surround = _moments(
        total - sums[0, 7] - sums[0, maps.lacking],
        square - sums[1, 7] - sums[1, maps.lacking],
        14 * BLOCK,
    )
    temperature = knobs.activity_temperature
    weight = _sigmoid((variance - knobs.activity_threshold) / temperature)
    noise, by_variance, by_centre, by_surround = _noise(variance, centre, surround, knobs)
    maps.weight[i, j] = weight
    maps.distortion[i, j] = artifact * (1.0 - variance) + noise * variance
    rates, means = maps.rates[i, j], maps.means[i, j]
    rates[0] = weight * (1.0 - weight) / temperature
    rates[1] = weight * (noise - artifact + variance * by_variance)
    rates[2] = weight * variance * by_centre
    rates[3] = weight * variance * by_surround
    means[0], means[1], means[2] = mean, centre_mean, surround_mean
    edges, factor = maps.edges[i, j], weight * (1.0 - variance)
    for k in range(4):
        for t in range(BLOCK):
            edges[k, t] *= factor


@njit(nogil=True, cache=True, error_model="numpy")
def _moments(total: float, square: float, count: int) -> tuple[float, float]:
    mean = total / count
    return mean, max((square - total * mean) / (count - 1), 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _sigmoid(x: float) -> float:
    if x >= 0.0:
        return float(1.0 / (1.0 + np.exp(-x)))
    power = np.exp(x)
    return float(power / (1.0 + power))


@njit(nogil=True, cache=True, error_model="numpy")
def _noise(
    variance: float, centre: float, surround: float, knobs: Knobs
) -> tuple[float, float, float, float]:
    """Return how noisy a block is, 0 to 1, and its derivatives by the three variances.

    |deviation - ratio| / max(deviation, ratio) is 1 - exp(-|u|), u the logarithm of their quotient.
    """
    variance += knobs.variance_floor
    centre += knobs.variance_floor
    surround += knobs.variance_floor
    deviation = np.sqrt(variance)
    u = 0.5 * (np.log(variance) - np.log(centre) + np.log(surround))
    smooth = np.sqrt(u * u + knobs.ratio_smoothing**2)
    same = np.exp(knobs.ratio_smoothing - smooth)
    noise = _sigmoid((deviation - 2.0 * (1.0 - same)) / knobs.noise_temperature)
    rate = noise * (1.0 - noise) / knobs.noise_temperature
    by_u = -2.0 * rate * same * u / smooth
    by_variance = 0.5 * (rate / deviation + by_u / variance)
    return noise, by_variance, -0.5 * by_u / centre, 0.5 * by_u / surround


@njit(nogil=True, cache=True, error_model="numpy")
def _artifact(block: Floats, knobs: Knobs, windows: Floats, padded: Floats, edges: Floats) -> float:
    """Return how surely an edge looks like an artifact, 0 to 1; fill `edges` with its derivative.

    `windows` and `padded` are room to work in; the ends of `padded` are 0.
    """
    last = BLOCK - 1
    for t in range(BLOCK):
        edges[0, t], edges[1, t] = block[0, t], block[last, t]
        edges[2, t], edges[3, t] = block[t, 0], block[t, last]
    means, deviations, weights = windows[0], windows[1], windows[2]
    for k in range(4):
        _window_deviations(edges[k], knobs.variance_floor, means[k], deviations[k])
    lowest = _soft_minimum(deviations.ravel(), knobs.window_temperature, weights.ravel())
    artifact = _sigmoid((knobs.distortion_threshold - lowest) / knobs.distortion_temperature)
    rate = -artifact * (1.0 - artifact) / knobs.distortion_temperature
    for k in range(4):
        _edge_rates(edges[k], rate, means[k], deviations[k], weights[k], padded)
    return artifact


@njit(nogil=True, cache=True, error_model="numpy")
def _window_deviations(edge: Floats, floor: float, means: Floats, deviations: Floats) -> None:
    for k in range(WINDOWS):
        a, b, c = edge[k], edge[k + 1], edge[k + 2]
        d, e, f = edge[k + 3], edge[k + 4], edge[k + 5]
        mean = (a + b + c + d + e + f) / EDGE_WINDOW
        a, b, c, d, e, f = a - mean, b - mean, c - mean, d - mean, e - mean, f - mean
        spread = a * a + b * b + c * c + d * d + e * e + f * f
        means[k], deviations[k] = mean, np.sqrt(spread / (EDGE_WINDOW - 1) + floor)


@njit(nogil=True, cache=True, error_model="numpy")
def _soft_minimum(values: Floats, temperature: float, weights: Floats) -> float:
    """Return a mean that favours the lowest values; fill `weights` with its derivatives."""
    lowest, total, mean = values.min(), 0.0, 0.0
    for k in range(values.size):
        above = (values[k] - lowest) / temperature
        weights[k] = np.exp(-above) if above < NEGLIGIBLE else 0.0
        total += weights[k]
        mean += weights[k] * values[k]
    mean /= total
    for k in range(values.size):
        weights[k] *= (1.0 - (values[k] - mean) / temperature) / total
    return float(mean)


@njit(nogil=True, cache=True, error_model="numpy")
def _edge_rates(
    edge: Floats, rate: float, means: Floats, deviations: Floats, weights: Floats, padded: Floats
) -> None:
    """Replace an edge by the derivative that its windows' weights and deviations make."""
    factors, offsets = padded[0], padded[1]
    for k in range(WINDOWS):
        factor = rate * weights[k] / (LAPPING * deviations[k])
        factors[LAPPING + k], offsets[LAPPING + k] = factor, factor * means[k]
    for t in range(BLOCK):
        factor, offset = 0.0, 0.0
        for k in range(t, t + EDGE_WINDOW):
            factor += factors[k]
            offset += offsets[k]
        edge[t] = factor * edge[t] - offset
