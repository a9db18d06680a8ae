"""Compiled loops over the rows of a chunk: loss, gradient, probabilities, curvature.

Parameters are (row, feature + 1) arrays whose last column is the intercept; of two classes only
the second has a row, the first one's logit is 0. They share one file because Numba's cache watches
only the file of the function that is called.
"""

import math

import numpy as np
from numba import njit

from core.logistic._types import Compressed, Floats, Integers, Reals, Unrolled

FAST = {"contract", "reassoc", "nsz", "arcp"}
TILE = 32
"""Rows whose exponentials are taken together, so that they fill the vector registers."""
_SHIFT = 1.5 * 2.0**52
_LOG2 = math.log2(math.e)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


# Reassociation would undo the rounding that these steps are made of.
@njit(nogil=True, cache=True, fastmath={"contract"})
def fast_exp(x: float) -> float:
    """Return e^x for x <= 0, 0.9 units in the last place off at most, without a branch."""
    x = max(x, -708.0)
    whole = (x * _LOG2 + _SHIFT) - _SHIFT
    r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * (r * r) + r
    scale = np.int64((np.int64(whole) + 1023) << 52).view(np.float64)
    return float(scale + scale * p)


@njit(nogil=True, cache=True, fastmath=FAST)
def _peaks(z: Floats, peak: Floats) -> None:
    rows, samples = z.shape
    for i in range(samples):
        peak[i] = max(z[0, i], 0.0) if rows == 1 else z[0, i]
    for k in range(1, rows):
        for i in range(samples):
            peak[i] = max(peak[i], z[k, i])


@njit(nogil=True, cache=True, fastmath=FAST)
def _to_probabilities(z: Floats, log_sum: Floats) -> None:
    """Turn a tile of logits, (row, sample), into probabilities, and keep their log-sum-exp."""
    rows, samples = z.shape
    total = np.zeros(samples)
    _peaks(z, log_sum)
    if rows == 1:
        for i in range(samples):
            total[i] = fast_exp(-log_sum[i])
    for k in range(rows):
        for i in range(samples):
            z[k, i] = fast_exp(z[k, i] - log_sum[i])
            total[i] += z[k, i]
    for i in range(samples):
        log_sum[i] += math.log(total[i])
        total[i] = 1.0 / total[i]
    for k in range(rows):
        for i in range(samples):
            z[k, i] *= total[i]


@njit(nogil=True, cache=True, fastmath=FAST)
def _to_residuals(z: Floats, log_sum: Floats, codes: Integers, weights: Floats) -> float:
    """Turn a tile of logits into weights times (probability - truth); return the loss."""
    rows, loss, first = z.shape[0], 0.0, 1 if z.shape[0] == 1 else 0
    for i in range(codes.size):
        if codes[i] >= first:
            loss -= weights[i] * z[codes[i] - first, i]
    _to_probabilities(z, log_sum)
    for i in range(codes.size):
        loss += weights[i] * log_sum[i]
        for k in range(rows):
            z[k, i] *= weights[i]
        if codes[i] >= first:
            z[codes[i] - first, i] -= weights[i]
    return loss


@njit(nogil=True, cache=True, fastmath=FAST)
def residuals(z: Floats, codes: Integers, weights: Floats) -> float:
    """Turn logits, (row, sample), into weighted residuals in place; return the loss."""
    return float(_to_residuals(z, np.empty(z.shape[1]), codes, weights))


@njit(nogil=True, cache=True, fastmath=FAST)
def probabilities(z: Floats) -> None:
    """Turn logits, (row, sample), into probabilities in place."""
    _to_probabilities(z, np.empty(z.shape[1]))


@njit(nogil=True, cache=True, fastmath=FAST)
def _tile_logits(x: Reals, start: int, samples: int, theta: Floats, z: Floats) -> None:
    features = x.shape[1]
    for i in range(samples):
        row = x[start + i]
        for k in range(theta.shape[0]):
            coefficients = theta[k]
            total = 0.0
            for j in range(features):
                total += coefficients[j] * row[j]
            z[k, i] = total + coefficients[features]


@njit(nogil=True, cache=True, fastmath=FAST)
def _add_outer(x: Reals, start: int, samples: int, z: Floats, out: Floats) -> None:
    features = x.shape[1]
    for k in range(out.shape[0]):
        row_out, total = out[k], 0.0
        for i in range(samples):
            row, value = x[start + i], z[k, i]
            total += value
            for j in range(features):
                row_out[j] += value * row[j]
        row_out[features] += total


@njit(nogil=True, cache=True, fastmath=FAST)
def dense_loss_gradient(
    x: Reals, codes: Integers, weights: Floats, theta: Floats, gradient: Floats
) -> float:
    """Add a chunk's gradient to `gradient` and return its loss; x is read once."""
    z, log_sum, loss = np.zeros((theta.shape[0], TILE)), np.empty(TILE), 0.0
    for start in range(0, codes.size, TILE):
        stop = min(start + TILE, codes.size)
        _tile_logits(x, start, stop - start, theta, z)
        loss += _to_residuals(z, log_sum, codes[start:stop], weights[start:stop])
        _add_outer(x, start, stop - start, z, gradient)
    return loss


@njit(nogil=True, cache=True, fastmath=FAST)
def dense_logits(x: Reals, theta: Floats, out: Floats) -> None:
    """Write a chunk's logits, (row, sample)."""
    for start in range(0, out.shape[1], TILE):
        stop = min(start + TILE, out.shape[1])
        _tile_logits(x, start, stop - start, theta, out[:, start:stop])


@njit(nogil=True, cache=True, fastmath=FAST)
def curve(z: Floats, chances: Floats, weights: Floats) -> None:
    """Turn directional logits into weighted changes of the probabilities, in place."""
    rows = z.shape[0]
    mean = np.zeros(z.shape[1])
    for k in range(rows):
        for i in range(mean.size):
            mean[i] += chances[k, i] * z[k, i]
    for k in range(rows):
        for i in range(weights.size):
            z[k, i] = weights[i] * chances[k, i] * (z[k, i] - mean[i])


@njit(nogil=True, cache=True, fastmath=FAST)
def dense_curvature(
    x: Reals, weights: Floats, chances: Floats, direction: Floats, out: Floats
) -> None:
    """Add the Hessian of a chunk's loss times a direction; `chances` are its probabilities."""
    z = np.zeros((direction.shape[0], TILE))
    for start in range(0, weights.size, TILE):
        stop = min(start + TILE, weights.size)
        _tile_logits(x, start, stop - start, direction, z)
        curve(z[:, : stop - start], chances[:, start:stop], weights[start:stop])
        _add_outer(x, start, stop - start, z, out)


@njit(nogil=True, cache=True, fastmath=FAST)
def _csr_tile_logits(
    x: Compressed, start: int, samples: int, turned: Floats, unrolled: Unrolled,
    z: Floats,
) -> None:  # fmt: skip
    rows = len(unrolled) if len(unrolled) > 0 else turned.shape[1]
    last = turned.shape[0] - 1
    total = np.empty(rows)
    for i in range(samples):
        for k in range(rows):
            total[k] = turned[last, k]
        for q in range(x.indptr[start + i], x.indptr[start + i + 1]):
            j, value = x.indices[q], x.data[q]
            for k in range(rows):
                total[k] += value * turned[j, k]
        for k in range(rows):
            z[k, i] = total[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def _csr_add_outer(
    x: Compressed, start: int, samples: int, z: Floats, unrolled: Unrolled,
    turned: Floats,
) -> None:  # fmt: skip
    rows = len(unrolled) if len(unrolled) > 0 else turned.shape[1]
    last = turned.shape[0] - 1
    row = np.empty(rows)
    for i in range(samples):
        for k in range(rows):
            row[k] = z[k, i]
            turned[last, k] += row[k]
        for q in range(x.indptr[start + i], x.indptr[start + i + 1]):
            j, value = x.indices[q], x.data[q]
            for k in range(rows):
                turned[j, k] += value * row[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def csr_loss_gradient(
    x: Compressed, codes: Integers, weights: Floats, turned: Floats,
    unrolled: Unrolled, gradient: Floats,
) -> float:  # fmt: skip
    """Do the same for CSR; parameters and gradient are turned, (feature + 1, row).

    `unrolled` is a tuple with an entry per row where there are few, so that the compiler knows
    their number, and an empty one where there are many.
    """
    z, log_sum, loss = np.zeros((turned.shape[1], TILE)), np.empty(TILE), 0.0
    for start in range(0, codes.size, TILE):
        stop = min(start + TILE, codes.size)
        count = stop - start
        _csr_tile_logits(x, start, count, turned, unrolled, z)
        loss += _to_residuals(z, log_sum, codes[start:stop], weights[start:stop])
        _csr_add_outer(x, start, count, z, unrolled, gradient)
    return loss


@njit(nogil=True, cache=True, fastmath=FAST)
def csr_logits(x: Compressed, turned: Floats, unrolled: Unrolled, out: Floats) -> None:
    """Write the logits of CSR rows, (row, sample)."""
    for start in range(0, out.shape[1], TILE):
        stop = min(start + TILE, out.shape[1])
        z = out[:, start:stop]
        _csr_tile_logits(x, start, stop - start, turned, unrolled, z)


@njit(nogil=True, cache=True, fastmath=FAST)
def csr_curvature(
    x: Compressed, weights: Floats, chances: Floats, turned: Floats,
    unrolled: Unrolled, out: Floats,
) -> None:  # fmt: skip
    """Add the Hessian of a CSR chunk's loss times a direction, both turned."""
    z = np.zeros((turned.shape[1], TILE))
    for start in range(0, weights.size, TILE):
        stop = min(start + TILE, weights.size)
        count = stop - start
        _csr_tile_logits(x, start, count, turned, unrolled, z)
        curve(z[:, :count], chances[:, start:stop], weights[start:stop])
        _csr_add_outer(x, start, count, z, unrolled, out)
