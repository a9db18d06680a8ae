"""Compiled coordinate descent: over a quadratic, and over the columns or rows of two classes.

They share one file because Numba's cache watches only the file of the function that is called.
"""

import math

import numpy as np
from numba import njit

from core.logistic._kernels import FAST
from core.logistic._types import Compressed, Floats, Integers

_BETWEEN = 10
"""Sweeps over what is not at 0 between two over everything."""
_ROOT_STEPS, _ROOT_PRECISION = 100, 1e-13


@njit(nogil=True, cache=True, fastmath=FAST)
def descend_quadratic(
    hessian: Floats, gradient: Floats, v: Floats, l1: Floats, step: Floats, sweeps: int,
    tols: Floats,
) -> int:  # fmt: skip
    """Minimise g d + d H d / 2 + sum l1_j |v_j + d_j| over d; return the sweeps taken.

    `step` must be 0 and becomes d. Between two sweeps over all coordinates come up to ten over
    those that are not at 0. It ends when a sweep over all changes no coordinate by more than its
    tolerance, in units of the gradient.
    """
    slope, active, since = gradient.copy(), np.ones(gradient.size, np.bool_), 0
    for sweep in range(sweeps):
        whole, moved = since == 0, False
        for j in range(slope.size):
            stiffness = hessian[j, j]
            if stiffness <= 0.0 or not (whole or active[j]):
                continue
            old = v[j] + step[j]
            new = _shrunk(old - slope[j] / stiffness, l1[j] / stiffness)
            active[j] = new != 0.0 or l1[j] == 0.0
            if new != old:
                step[j] += new - old
                moved = moved or abs(new - old) * stiffness > tols[j]
                slope += (new - old) * hessian[j]
        if whole and not moved:
            return sweep + 1
        since = 0 if not moved or since >= _BETWEEN else since + 1
    return sweeps


@njit(nogil=True, cache=True, fastmath=FAST)
def _shrunk(value: float, kink: float) -> float:
    return max(value - kink, 0.0) + min(value + kink, 0.0)


@njit(nogil=True, cache=True, fastmath=FAST)
def column_sums(
    x: Compressed, residual: Floats, curvature: Floats, gradient: Floats,
    stiffness: Floats,
) -> None:  # fmt: skip
    """Write, of each CSC column, its product with the residuals and its squares' with h."""
    for j in range(gradient.size):
        first = second = 0.0
        for q in range(x.indptr[j], x.indptr[j + 1]):
            i, value = x.indices[q], x.data[q]
            first += value * residual[i]
            second += value * value * curvature[i]
        gradient[j], stiffness[j] = first, second


@njit(nogil=True, cache=True, fastmath=FAST)
def descend_columns(
    x: Compressed, curvature: Floats, gradient: Floats,
    stiffness: Floats, w: Floats, l1: float, l2: float, free: bool, sweeps: int, tols: Floats,
    step: Floats, logit: Floats,
) -> int:  # fmt: skip
    """Minimise the penalised quadratic of two classes over the step, column by column.

    The last entries of gradient, step and w are the intercept's. `step` and `logit`, x step, must
    be 0. Sweeps as in `descend_quadratic`.
    """
    features, active, since = w.size - 1, np.ones(w.size - 1, np.bool_), 0
    for sweep in range(sweeps):
        whole, moved = since == 0, False
        for j in range(features):
            h = stiffness[j] + l2
            if h <= 0.0 or not (whole or active[j]):
                continue
            start, stop = x.indptr[j], x.indptr[j + 1]
            slope = gradient[j]
            for q in range(start, stop):
                slope += x.data[q] * curvature[x.indices[q]] * logit[x.indices[q]]
            old = w[j] + step[j]
            new = _shrunk(old - (slope + l2 * old) / h, l1 / h)
            active[j] = new != 0.0
            if new != old:
                step[j] += new - old
                moved = moved or abs(new - old) * h > tols[j]
                for q in range(start, stop):
                    logit[x.indices[q]] += (new - old) * x.data[q]
        if free:
            moved = _free_step(curvature, gradient, step, logit) > tols[features] or moved
        if whole and not moved:
            return sweep + 1
        since = 0 if not moved or since >= _BETWEEN else since + 1
    return sweeps


@njit(nogil=True, cache=True, fastmath=FAST)
def _free_step(curvature: Floats, gradient: Floats, step: Floats, logit: Floats) -> float:
    """Take the intercept's step; return how steep it was."""
    slope, total = gradient[-1], 0.0
    for i in range(logit.size):
        slope += curvature[i] * logit[i]
        total += curvature[i]
    if total > 0.0:
        step[-1] -= slope / total
        for i in range(logit.size):
            logit[i] -= slope / total
    return float(abs(slope))


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _dual_root(start: float, bound: float, size: float, slope: float) -> float:
    """Minimise size (z - start)^2 / 2 + slope (z - start) + z ln z + (bound - z) ln(bound - z)."""
    z = 0.1 * start if bound - start < 0.5 * bound else start
    for _ in range(_ROOT_STEPS):
        gradient = size * (z - start) + slope + math.log(z / (bound - z))
        if abs(gradient) < _ROOT_PRECISION:
            break
        moved = z - gradient / (size + bound / (bound - z) / z)
        z = min(moved, 0.5 * (z + bound)) if moved > 0.0 else 0.1 * z
    return z


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def dual_sweep(
    x: Compressed, signs: Floats, bounds: Floats, sizes: Floats, order: Integers, alpha: Floats,
    w: Floats, offset: float, stiffness: float,
) -> None:  # fmt: skip
    """Take a dual step for every CSR row: w stays the sum of sign alpha x.

    `alpha` is (sample, 2): the variable and its distance from its bound, both to their last digit.
    The intercept is offset + stiffness w[-1], where w[-1] is the sum of sign alpha.
    """
    last = w.size - 1
    for i in order:
        logit = offset + stiffness * w[last]
        for q in range(x.indptr[i], x.indptr[i + 1]):
            logit += x.data[q] * w[x.indices[q]]
        slope = signs[i] * logit
        # The smaller of the two is the variable of the search: there the logarithm is steep.
        side = 1 if slope + 0.5 * sizes[i] * (alpha[i, 1] - alpha[i, 0]) < 0.0 else 0
        old = alpha[i, side]
        new = _dual_root(old, bounds[i], sizes[i], -slope if side == 1 else slope)
        alpha[i, side], alpha[i, 1 - side] = new, bounds[i] - new
        change = signs[i] * (old - new if side == 1 else new - old)
        if change != 0.0:
            w[last] += change
            for q in range(x.indptr[i], x.indptr[i + 1]):
                w[x.indices[q]] += change * x.data[q]
