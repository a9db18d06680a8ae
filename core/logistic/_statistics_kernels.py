"""Compiled loops for weighted means, spreads and extents of columns, in two passes.

They share one file because Numba's cache watches only the file of the function that is called.
"""

import numpy as np
from numba import njit

from core.logistic._kernels import FAST
from core.logistic._types import Compressed, Floats, Reals


@njit(nogil=True, cache=True, fastmath=FAST)
def dense_statistics(
    x: Reals, weights: Floats, total: float, mean: Floats, spread: Floats, extent: Floats
) -> None:
    """Write means, weighted sums of squared distances from them and largest absolute values."""
    samples, features = x.shape
    for i in range(samples):
        row, share = x[i], weights[i] / total
        for j in range(features):
            mean[j] += share * row[j]
            extent[j] = max(extent[j], abs(row[j]))
    for i in range(samples):
        row, weight = x[i], weights[i]
        for j in range(features):
            off = row[j] - mean[j]
            spread[j] += weight * off * off


@njit(nogil=True, cache=True, fastmath=FAST)
def csr_statistics(
    x: Compressed, weights: Floats, total: float, mean: Floats, spread: Floats, extent: Floats
) -> None:
    """Do the same for CSR: what is not stored is 0."""
    for i in range(weights.size):
        share = weights[i] / total
        for q in range(x.indptr[i], x.indptr[i + 1]):
            j = x.indices[q]
            mean[j] += share * x.data[q]
            extent[j] = max(extent[j], abs(x.data[q]))
    stored = np.zeros(mean.size)
    for i in range(weights.size):
        weight = weights[i]
        for q in range(x.indptr[i], x.indptr[i + 1]):
            j = x.indices[q]
            off = x.data[q] - mean[j]
            spread[j] += weight * off * off
            stored[j] += weight
    for j in range(mean.size):
        spread[j] += _beyond(total, stored[j]) * mean[j] * mean[j]


@njit(nogil=True, cache=True)
def _beyond(total: float, stored: float) -> float:
    """Return the weight of what is not stored; a rest within rounding is none."""
    rest = total - stored
    return rest if rest > 1e-12 * total else 0.0
