"""Compiled loops that find seeds of components: minima of the second difference over scales.

They share one file because Numba's cache watches only the file of the function that is called.
No loop allocates beyond its signal; none runs without a cap.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SEEDS = 16
_TRACKS = 256


class Ladder(NamedTuple):
    """The scales of the seeds: on the way up, the grid is halved wherever nothing is lost."""

    taps: Floats
    """(scale, tap) array: half of the discrete Gaussian from one scale to the next."""
    radius: Integers
    """(scale,) array: taps on either side."""
    stride: Integers
    """(scale,) array: samples between the points of the grid."""
    sigma: Floats
    """(scale,) array: in samples."""
    gain: Floats
    """(scale,) array: noise of the second difference on that grid, of white noise of 1."""


@njit(nogil=True, cache=True, error_model="numpy")
def find_seeds(
    y: Floats, ladder: Ladder, noise: float, least: float, strongest: float
) -> tuple[Floats, int]:
    """Return (seed, 4) rows: position and width in samples, strength, height over its foot.

    A seed is a minimum of the second difference, `least` times its noise deep, at the finest scale
    that shows it; it counts if it grows `strongest` times as deep at some scale. Its width follows
    from the crossings beside it, by their distance sqrt(width² + sigma²) from the center.
    """
    track, count = np.zeros((_TRACKS, 5)), 0
    grid, stride = y, 1
    for s in range(ladder.sigma.size):
        grid = _smoothed(grid, ladder.taps[s], ladder.radius[s], ladder.stride[s] // stride)
        stride = ladder.stride[s]
        if grid.size < 5:
            break
        depth = noise * ladder.gain[s]
        count = _extend(grid, stride, s, ladder.sigma[s], depth, least, track, count)
    out, found = np.empty((SEEDS, 3)), 0
    for _ in range(min(count, SEEDS)):
        best = 0
        for k in range(count):
            if track[k, 3] > track[best, 3]:
                best = k
        if track[best, 3] < strongest:
            break
        out[found] = track[best, 1:4]
        track[best, 3] = -1.0
        found += 1
    return out, found


@njit(nogil=True, cache=True, error_model="numpy")
def _smoothed(values: Floats, taps: Floats, radius: int, stride: int) -> Floats:
    """Convolve with a symmetric kernel over reflected ends, keeping every stride-th sample."""
    size = values.size
    padded = np.empty(size + 2 * radius)
    padded[radius : radius + size] = values
    for i in range(radius):
        j, k = i % (2 * size), (size + i) % (2 * size)
        padded[radius - 1 - i] = values[j if j < size else 2 * size - 1 - j]
        padded[radius + size + i] = values[k if k < size else 2 * size - 1 - k]
    out: Floats = taps[0] * padded[radius : radius + size : stride]
    for k in range(1, radius + 1):
        left = padded[radius - k : radius - k + size : stride]
        right = padded[radius + k : radius + k + size : stride]
        for i in range(out.size):
            out[i] += taps[k] * (left[i] + right[i])
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _extend(
    grid: Floats, stride: int, scale: int, sigma: float, depth: float, least: float,
    track: Floats, count: int,
) -> int:  # fmt: skip
    """Continue the tracks (last position, seed position, width, strength, scale) at one scale."""
    known = count
    bend = np.empty(grid.size)
    bend[1:-1] = grid[2:] - 2.0 * grid[1:-1] + grid[:-2]
    bend[0], bend[-1] = grid[1] - grid[0], grid[-2] - grid[-1]
    for i in range(1, grid.size - 1):
        here = bend[i]
        if here >= -least * depth or here > bend[i - 1] or here >= bend[i + 1]:
            continue
        curve = bend[i - 1] - 2.0 * here + bend[i + 1]
        shift = 0.5 * (bend[i - 1] - bend[i + 1]) / curve if curve > 0.0 else 0.0
        place = (i + shift) * stride
        near, chosen = 1.2 * max(1.0, sigma), -1
        for k in range(known):
            if scale - 3 < track[k, 4] < scale and abs(track[k, 0] - place) < near:
                near, chosen = abs(track[k, 0] - place), k
        if chosen >= 0:
            track[chosen, 0], track[chosen, 4] = place, scale
            track[chosen, 3] = max(track[chosen, 3], -here / depth)
        elif count < _TRACKS:
            left, right = i, i
            while left > 0 and bend[left] < 0.0:
                left -= 1
            while right < grid.size - 1 and bend[right] < 0.0:
                right += 1
            nearer = min(i + shift - left, right - i - shift)
            half = stride * min(0.5 * (right - left), 1.3 * nearer)
            track[count, 0] = track[count, 1] = place
            track[count, 2] = math.sqrt(max(half * half - sigma * sigma, 0.3))
            track[count, 3], track[count, 4] = -here / depth, scale
            count += 1
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def seeded(x: Floats, heights: Floats, seeds: Floats, least: float) -> Floats:
    """Return components (log height, center, log width) at seeds, on the true abscissae."""
    out, last = np.empty((seeds.shape[0], 3)), x.size - 1
    for k in range(seeds.shape[0]):
        place = min(max(seeds[k, 0], 0.0), float(last))
        at = min(int(place), last - 1)
        around = x[min(at + 3, last)] - x[max(at - 2, 0)]
        around /= min(at + 3, last) - max(at - 2, 0)
        out[k, 0] = math.log(max(heights[round(place)], least))
        out[k, 1] = x[at] + (place - at) * (x[at + 1] - x[at])
        out[k, 2] = math.log(max(seeds[k, 1], 0.3) * around) if around > 0.0 else math.log(0.3)
    return out
