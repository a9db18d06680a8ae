"""The noise of signals, told apart from what is smooth in them by high differences."""

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ORDERS = (2, 3, 4, 5)
_MEDIAN = 0.6744897501960817
"""Median of |x| of a standard normal x."""


def noise_level(signals: Floats, stride: int = 1) -> Floats:
    """Return the standard deviation of each signal's noise, from differences of orders 2 to 5.

    The median of a difference's absolute values tells the noise if it is Gaussian and independent
    at a distance of `stride` samples. What is smooth adds to the low orders, so the least of the
    four is taken; it lies about 2 % low for a thousand samples of noise alone.

    Parameters
    ----------
    signals : (series, sample) array
        Finite float64.
    stride : int
        Distance of the samples that are differenced.

    Returns
    -------
    (series,) array
        In the signals' units; 0 where more than half of the differences are 0, and NaN where the
        signal is too short for any.

    References
    ----------
    P. Hall, J. W. Kay, D. M. Titterington, Asymptotically optimal difference-based estimation of
    variance in nonparametric regression, Biometrika 77 (1990).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(scale=2.0, size=(1, 4000))
    >>> noise_level(noise + np.arange(4000.0) ** 2).round(1)
    array([2.])
    """
    rows = np.ascontiguousarray(signals)
    levels = np.empty(rows.shape[0])
    _levels(rows, stride, levels)
    return levels


@numba.njit(nogil=True, cache=True)
def _levels(signals: Floats, stride: int, levels: Floats) -> None:
    for series in range(signals.shape[0]):
        difference, best, combinations = signals[series].copy(), math.inf, 1.0
        for order in range(1, ORDERS[-1] + 1):
            if difference.size <= stride:
                break
            difference = difference[stride:] - difference[:-stride]
            # Of 2 n over n, the sum of the squared weights of a difference.
            combinations *= 2.0 * (2.0 * order - 1.0) / order
            if order >= ORDERS[0]:
                level = np.median(np.abs(difference)) / (_MEDIAN * math.sqrt(combinations))
                best = min(best, level)
        levels[series] = best if best < math.inf else math.nan


@numba.njit(nogil=True, cache=True)
def autocorrelation(values: Floats, most: int) -> Floats:
    """Return the sums of products at distances of 1 to `most` samples over that at 0, or zeros."""
    result, total = np.zeros(most), 0.0
    for i in range(values.size):
        total += values[i] * values[i]
    if not total > 0.0:
        return result
    for lag in range(1, most + 1):
        for i in range(values.size - lag):
            result[lag - 1] += values[i] * values[i + lag]
    return result / total
