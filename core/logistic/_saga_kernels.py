"""Compiled epochs of SAG and SAGA, dense and sparse, with penalty and weights in every step.

They share one file because Numba's cache watches only the file of the function that is called.
"""

import math

import numpy as np
from numba import njit

from core.logistic._kernels import FAST, fast_exp
from core.logistic._types import Compressed, Floats, Integers, Reals, Unrolled


@njit(nogil=True, cache=True, error_model="numpy")
def draw(order: Integers, seed: int, replace: bool) -> None:
    """Fill with a random order of its indices, or with independent draws."""
    np.random.seed(seed)  # noqa: NPY002  (what numba offers; its state is its own)
    size = order.size
    for i in range(size):
        order[i] = np.random.randint(0, size) if replace else i  # noqa: NPY002
    if not replace:
        np.random.shuffle(order)  # noqa: NPY002


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _residual(z: Floats, code: int, weight: float) -> None:
    """Turn one sample's logits into its weighted residuals."""
    rows = z.size
    if rows == 1:
        chance = fast_exp(min(z[0], 0.0)) / (1.0 + fast_exp(-abs(z[0])))
        z[0] = weight * (chance - (1.0 if code == 1 else 0.0))
        return
    peak, total = z[0], 0.0
    for k in range(1, rows):
        peak = max(peak, z[k])
    for k in range(rows):
        z[k] = fast_exp(z[k] - peak)
        total += z[k]
    factor = weight / total
    for k in range(rows):
        z[k] *= factor
    z[code] -= weight


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def dense_epoch(
    x: Reals, codes: Integers, weights: Floats, order: Integers, theta: Floats, table: Floats,
    mean: Floats, step: Floats, samples: int, l1: float, l2: float, saga: bool,
) -> None:  # fmt: skip
    """Take a step for every entry of `order`.

    `table` keeps each sample's last residuals, `mean` their mean gradient over all `samples`, also
    those of other chunks. A coefficient's step is step[j], the intercept's step[feature].
    """
    rows, features = theta.shape[0], x.shape[1]
    share = 1.0 / samples
    z = np.empty(rows)
    shrink, kink = 1.0 / (1.0 + step * l2), step * l1
    for i in order:
        row = x[i]
        for k in range(rows):
            coefficients, total = theta[k], 0.0
            for j in range(features):
                total += coefficients[j] * row[j]
            z[k] = total + coefficients[features]
        _residual(z, codes[i], weights[i])
        for k in range(rows):
            change = z[k] - table[i, k]
            table[i, k] = z[k]
            part = change * share
            now = change if saga else part
            coefficients, average = theta[k], mean[k]
            coefficients[features] -= step[features] * (now + average[features])
            average[features] += part
            if l1 == 0.0:
                for j in range(features):
                    moved = coefficients[j] - step[j] * (now * row[j] + average[j])
                    average[j] += part * row[j]
                    coefficients[j] = shrink[j] * moved
            else:
                for j in range(features):
                    moved = coefficients[j] - step[j] * (now * row[j] + average[j])
                    average[j] += part * row[j]
                    moved = max(moved - kink[j], 0.0) + min(moved + kink[j], 0.0)
                    coefficients[j] = shrink[j] * moved


@njit(nogil=True, cache=True, error_model="numpy")
def lagged(w: float, g: float, m: int, step: float, l1: float, l2: float) -> float:
    """Return the result of m proximal steps with a constant gradient g, whatever m in O(1).

    One step is w <- soft(w - step g, step l1) / (1 + step l2). While w keeps its sign it is
    affine, so that k steps have a closed form; a step over the kink is taken as it is written.
    After it w is 0 or moves away from it or towards a fixed point: three regimes at most.
    """
    log_shrink = -math.log1p(step * l2) if l2 > 0.0 else 0.0
    while m > 0:
        if w > 0.0 or (w == 0.0 and g < -l1):
            pull = g + l1
        elif w < 0.0 or g > l1:
            pull = g - l1
        else:
            return 0.0
        k = _steps_to_kink(w, pull, m, step, l2, log_shrink)
        if k > 0:
            if l2 > 0.0:
                w += math.expm1(k * log_shrink) * (w + pull / l2)
            else:
                w -= k * step * pull
            m -= k
        if m > 0:
            moved = w - step * g
            moved = max(moved - step * l1, 0.0) + min(moved + step * l1, 0.0)
            w = moved / (1.0 + step * l2)
            m -= 1
    return w


@njit(nogil=True, cache=True, error_model="numpy")
def _steps_to_kink(w: float, pull: float, m: int, step: float, l2: float, log_shrink: float) -> int:
    """Return how many of m steps can be taken before w reaches 0."""
    if w == 0.0 or w * pull <= 0.0:
        return m
    count = w / (step * pull) if l2 <= 0.0 else math.log1p(w * l2 / pull) / -log_shrink
    return m if count >= m else math.floor(count)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _catch_up(
    both: Floats, j: int, m: int, rows: int, step: float, l1: float, l2: float, power: float
) -> None:
    """Take the m steps that feature j missed; `power` is expm1(m log of its shrinkage)."""
    for k in range(rows):
        w, g = both[j, k], both[j, rows + k]
        if w == 0.0 and abs(g) <= l1:
            continue
        pull = g if l1 == 0.0 else (g + l1 if w > 0.0 else g - l1)
        moved = w + power * (w + pull / l2) if l2 > 0.0 else w - m * step * pull
        # Without a kink, or without a change of sign, the affine form holds to the end.
        if l1 == 0.0 or moved * w > 0.0:
            both[j, k] = moved
        else:
            both[j, k] = lagged(w, g, m, step, l1, l2)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def csr_epoch(
    x: Compressed, codes: Integers, weights: Floats, order: Integers,
    both: Floats, free: Floats, table: Floats, powers: Floats, last: Integers, step: Floats,
    samples: int, l1: float, l2: float, saga: bool, unrolled: Unrolled,
) -> None:  # fmt: skip
    """Do the same for CSR; a feature that a sample lacks is left alone and caught up with later.

    `both` holds, for each feature, the coefficients of all rows and then their mean gradients;
    `free` the intercepts and their mean gradients, `powers` what `_catch_up` needs for every
    number of missed steps if all features have one step, or nothing.
    """
    rows = len(unrolled) if len(unrolled) > 0 else table.shape[1]
    features, share = both.shape[0], 1.0 / samples
    z, now = np.empty(rows), np.empty(rows)
    for t in range(order.size):
        i = order[t]
        for k in range(rows):
            z[k] = free[0, k]
        for q in range(x.indptr[i], x.indptr[i + 1]):
            j, value = x.indices[q], x.data[q]
            m = t - last[j]
            if m > 0:
                power = powers[m] if powers.size > 0 else math.expm1(-m * math.log1p(step[j] * l2))
                _catch_up(both, j, m, rows, step[j], l1, l2, power)
            for k in range(rows):
                z[k] += value * both[j, k]
        _residual(z, codes[i], weights[i])
        for k in range(rows):
            change = z[k] - table[i, k]
            table[i, k] = z[k]
            z[k] = change * share
            now[k] = change if saga else z[k]
            free[0, k] -= step[features] * (now[k] + free[1, k])
            free[1, k] += z[k]
        for q in range(x.indptr[i], x.indptr[i + 1]):
            j, value = x.indices[q], x.data[q]
            last[j] = t + 1
            shrink, kink = 1.0 / (1.0 + step[j] * l2), step[j] * l1
            for k in range(rows):
                moved = both[j, k] - step[j] * (now[k] * value + both[j, rows + k])
                both[j, rows + k] += z[k] * value
                both[j, k] = shrink * (max(moved - kink, 0.0) + min(moved + kink, 0.0))
    _finish(both, last, order.size, rows, step, l1, l2)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _finish(
    both: Floats, last: Integers, count: int, rows: int, step: Floats, l1: float, l2: float
) -> None:
    """Catch up with all features at the end of an epoch."""
    for j in range(last.size):
        if count > last[j]:
            m = count - last[j]
            power = math.expm1(-m * math.log1p(step[j] * l2))
            _catch_up(both, j, m, rows, step[j], l1, l2, power)
        last[j] = 0
