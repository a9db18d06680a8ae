"""Compiled epochs of SAG and SAGA, dense and sparse, with penalty and weights in every step.

They share one file because Numba's cache watches only the file of the function that is called.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from core.logistic._kernels import FAST, fast_exp
from core.logistic._types import Compressed, Floats, Integers, Reals, Unrolled

_LEAST = 1e-300
"""Above 0, and less than any product of coefficients that counts."""


class Steps(NamedTuple):
    """How far the features move."""

    length: Floats
    """(feature + 1,) factors of the gradients, that of the intercepts last."""
    shrink: Floats
    """(feature,) factors by which the squared penalty shrinks a coefficient in a step."""
    log_shrink: Floats
    """(feature,) their logarithms."""
    keep: Floats
    """(missed + 1,) what `_missed` returns, if all features have one length; else nothing."""
    push: Floats


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
def _soft(moved: float, kink: float) -> float:
    return max(moved - kink, 0.0) + min(moved + kink, 0.0)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _after(
    w: float, g: float, m: int, keep: float, push: float, step: float, l1: float, l2: float
) -> float:
    """Return what m missed steps make of a coefficient; `keep` and `push` are those of m steps.

    They are one long step, unless it crosses 0 to go on beyond, for which |g| > l1. That is rare;
    asked in one question, it is a branch that the processor guesses.
    """
    moved = keep * w - push * g
    if l1 > 0.0:
        moved = _soft(moved, push * l1)
        if min(abs(g) - l1, _LEAST - moved * w) > 0.0:
            return lagged(w, g, m, step, l1, l2)
    return moved


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def csr_epoch(
    x: Compressed, codes: Integers, weights: Floats, order: Integers,
    both: Floats, free: Floats, table: Floats, last: Integers, steps: Steps,
    samples: int, l1: float, l2: float, saga: bool, unrolled: Unrolled,
) -> None:  # fmt: skip
    """Do the same for CSR; a feature that a sample lacks is left alone and caught up with later.

    `both` holds, for each feature, the coefficients of all rows and then their mean gradients;
    `free` the intercepts and their mean gradients.
    """
    rows = len(unrolled) if len(unrolled) > 0 else table.shape[1]
    share, even = 1.0 / samples, steps.keep.size > 0
    z, now = np.empty(rows), np.empty(rows)
    for t in range(order.size):
        i = order[t]
        for k in range(rows):
            z[k] = free[0, k]
        # Unsigned: at each use of a signed index it is asked whether it counts from the end.
        start, stop = np.uint64(x.indptr[i]), np.uint64(x.indptr[i + 1])
        for q in range(start, stop):
            j, value = np.uint64(x.indices[q]), x.data[q]
            m = t - last[j]
            last[j] = t + 1
            step = steps.length[j]
            if even:
                keep, push = steps.keep[np.uint64(m)], steps.push[np.uint64(m)]
            else:
                keep, push = _missed(m, step, steps.log_shrink[j], l2)
            for k in range(rows):
                both[j, k] = _after(both[j, k], both[j, rows + k], m, keep, push, step, l1, l2)
                z[k] += value * both[j, k]
        _residual(z, codes[i], weights[i])
        for k in range(rows):
            change = z[k] - table[i, k]
            table[i, k] = z[k]
            z[k] = change * share
            now[k] = change if saga else z[k]
            free[0, k] -= steps.length[both.shape[0]] * (now[k] + free[1, k])
            free[1, k] += z[k]
        for q in range(start, stop):
            j, value = np.uint64(x.indices[q]), x.data[q]
            keep, push = steps.shrink[j], steps.length[j] * steps.shrink[j]
            for k in range(rows):
                average = both[j, rows + k]
                moved = keep * both[j, k] - push * (now[k] * value + average)
                both[j, k] = _soft(moved, push * l1) if l1 > 0.0 else moved
                both[j, rows + k] = average + z[k] * value
    _finish(both, last, order.size, rows, steps, l1, l2)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _missed(m: int, step: float, log_shrink: float, l2: float) -> tuple[float, float]:
    """Return by what m steps multiply a coefficient and its gradient."""
    if l2 > 0.0:
        change = math.expm1(m * log_shrink)
        return 1.0 + change, -change / l2
    return 1.0, m * step


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _finish(
    both: Floats, last: Integers, count: int, rows: int, steps: Steps, l1: float, l2: float
) -> None:
    """Catch up with all features at the end of an epoch."""
    for j in range(last.size):
        m, step = count - last[j], steps.length[j]
        keep, push = _missed(m, step, steps.log_shrink[j], l2)
        for k in range(rows):
            both[j, k] = _after(both[j, k], both[j, rows + k], m, keep, push, step, l1, l2)
        last[j] = 0
