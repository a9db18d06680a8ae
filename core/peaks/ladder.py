"""The scales on which the search looks for seeds."""

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive

from core.peaks._seed_kernels import Ladder

Floats = NDArray[np.float64]
_FINEST = 0.7
_RATIO = math.sqrt(2.0)
_SPARSE = 2.8
"""Halve the grid when sigma reaches this many of its points: exp(-sigma²) of what it then cannot
tell apart is left, 4e-4."""

_WIDE = 1e6
"""Variance from which on the two differ by less than a millionth."""


@functools.lru_cache(maxsize=64)
def ladder_for(samples: int, finest: float = _FINEST) -> Ladder:
    """Return scales from 0.7 samples to a tenth of the signal, by factors of the root of 2.

    Examples
    --------
    >>> ladder_for(100).stride
    array([1, 1, 1, 1, 1, 2, 2, 4])
    """
    count = max(
        1, int(math.log(max(samples / 10.0, finest) / finest) / math.log(_RATIO) + 1e-9) + 1
    )
    sigma: Floats = finest * _RATIO ** np.arange(count, dtype=np.float64)
    stride = np.ones(count, np.int64)
    for s in range(1, count):
        sparse = sigma[s - 1] / stride[s - 1] >= _SPARSE
        stride[s] = stride[s - 1] * (2 if sparse else 1)
    before = np.concatenate([[1], stride[:-1]])
    variance = np.diff(sigma**2, prepend=0.0) / before**2
    radius = np.ceil(5.0 * np.sqrt(variance) + 3.0).astype(np.int64)
    taps = ive(np.arange(radius.max() + 1.0), variance[:, None])
    lags = [_smoothed(k * stride, 2.0 * sigma**2) for k in range(3)]
    gain = np.sqrt(6.0 * lags[0] - 8.0 * lags[1] + 2.0 * lags[2])
    return Ladder(taps, radius, stride, sigma, gain)


def _smoothed(lag: NDArray[np.int64], variance: Floats) -> Floats:
    """Return the discrete Gaussian; of large variances the continuous, where SciPy has none."""
    far = np.exp(-(lag**2) / (2.0 * variance)) / np.sqrt(2.0 * math.pi * variance)
    return np.where(variance < _WIDE, ive(lag, np.minimum(variance, _WIDE)), far)
