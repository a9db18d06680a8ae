"""Compiled loops of the decomposition: the model, its fit, and trials of other components.

They share one file because Numba's cache watches only the file of the function that is called. All
sums are taken in one written order, by no library, so that the bits depend on nothing else.
A component is a row (log height, center, log width) in units of samples and of the scaled signal.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Masks = NDArray[np.bool_]

PER = 3
"""Parameters of a component."""
REACH = 5.2
"""Widths from its center at which the search cuts a component: a millionth of it is left."""
_NARROWEST, _BEYOND = 0.3, 0.2
"""Bounds: widths in distances of samples near the center, and of centers outside, in spans."""
_LARGEST_RATIO = 12.0
_REFUSALS = 8
_STRAIGHT = 0.08
"""So near to where it is sought a profile's root is taken to be straight."""
_LANES = 8
"""Sums that `_dot` keeps; windows of whole eights leave it no rest."""
_FARTHEST = 41.0
"""Of u² / 2: beyond, a Gaussian is 0 to double precision beside its height."""


class Curve(NamedTuple):
    """A signal to fit: abscissae in samples, ordinates, and what its baseline may be."""

    x: Floats
    y: Floats
    kind: int
    """Baseline: 0 none, 1 constant, 2 linear, 3 exponential."""
    uniform: bool
    """Whether x is 0, 1, 2 and so on."""


class Effort(NamedTuple):
    """Of one fit."""

    reach: float
    """A component ends so many widths from its center."""
    cap: int
    """Iterations."""
    small: float
    """A step that gains less than this is the last."""
    target: float
    """Fits that cannot come to this rss are given up; infinite: none are."""
    fixed: int
    """Index of a parameter that stays, -1 for none."""


class Rules(NamedTuple):
    """Of the search."""

    variance: float
    """Of the noise, as far as it is seen by components wider than a sample."""
    penalty: float
    """What a component must gain, in variances."""
    most: int
    """Components."""
    rounds: int
    """Changes of the set of components."""


@njit(nogil=True, cache=True, error_model="numpy")
def _dot(a: Floats, b: Floats) -> float:
    """Sum products in eight interleaved sums, which a processor adds side by side."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = tail = 0.0
    whole = a.size // 8
    for j in range(whole):
        i = 8 * j
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
        s4 += a[i + 4] * b[i + 4]
        s5 += a[i + 5] * b[i + 5]
        s6 += a[i + 6] * b[i + 6]
        s7 += a[i + 7] * b[i + 7]
    for i in range(8 * whole, a.size):
        tail += a[i] * b[i]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)) + tail


@njit(nogil=True, cache=True, error_model="numpy")
def _factor(matrix: Floats) -> bool:
    """Factor a symmetric matrix by Cholesky in its lower half; say if it is positive definite."""
    size = matrix.shape[0]
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i > j:
                matrix[i, j] = total / matrix[j, j]
            elif total > 1e-14 * matrix[i, i] and total > 0.0:
                matrix[i, i] = math.sqrt(total)
            else:
                return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _substitute(matrix: Floats, right: Floats, out: Floats) -> None:
    """Solve with a factored matrix."""
    size = right.size
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= matrix[i, k] * out[k]
        out[i] = total / matrix[i, i]
    for i in range(size - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, size):
            total -= matrix[k, i] * out[k]
        out[i] = total / matrix[i, i]


@njit(nogil=True, cache=True, error_model="numpy")
def _first(curve: Curve, value: float) -> int:
    """Return the index of the first x that is not below a value."""
    low, high = 0, curve.x.size
    if curve.uniform:
        return int(min(max(math.ceil(value - curve.x[0]), 0.0), float(high)))
    while low < high:
        middle = (low + high) // 2
        if curve.x[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True, error_model="numpy")
def _bell(x: Floats, center: float, width: float, out: Floats) -> None:
    """Write exp(-u² / 2), to 4e-16.

    By the series of exp(-y) - 1 at y = u² / 512 and eight doublings: no branch, no call.
    """
    per = 1.0 / (width * math.sqrt(512.0))
    for i in range(x.size):
        u = (x[i] - center) * per
        y = -min(u * u, _FARTHEST / 256.0)
        e = 1.0 + y * (1.0 / 8.0) * (1.0 + y * (1.0 / 9.0) * (1.0 + y * (1.0 / 10.0)))
        e = 1.0 + y * (1.0 / 5.0) * (1.0 + y * (1.0 / 6.0) * (1.0 + y * (1.0 / 7.0) * e))
        e = y * (1.0 + y * 0.5 * (1.0 + y * (1.0 / 3.0) * (1.0 + y * 0.25 * e)))
        e *= 2.0 + e
        e *= 2.0 + e
        e *= 2.0 + e
        e *= 2.0 + e
        e *= 2.0 + e
        e *= 2.0 + e
        e *= 2.0 + e
        e *= 2.0 + e
        out[i] = 1.0 + e


@njit(nogil=True, cache=True, error_model="numpy")
def _window(curve: Curve, one: Floats, reach: float) -> tuple[int, int]:
    """Return where a component begins and stops to count, in whole lanes."""
    width = math.exp(one[2])
    low, high = one[1] - reach * width, one[1] + reach * width
    first, stop = _first(curve, low), _first(curve, high)
    return first - first % _LANES, min(stop + (-stop) % _LANES, curve.x.size)


@njit(nogil=True, cache=True, error_model="numpy")
def _write_rows(
    curve: Curve, p: Floats, base: Floats, reach: float, rows: Floats, span: Integers,
    residual: Floats,
) -> None:  # fmt: skip
    """Write the derivatives of the model by each parameter within its span, and the residual."""
    x = curve.x
    residual[:] = curve.y
    for k in range(p.shape[0]):
        first, stop = _window(curve, p[k], reach)
        at = PER * k
        span[at : at + PER, 0], span[at : at + PER, 1] = first, stop
        here, left = x[first:stop], residual[first:stop]
        value = rows[at, first:stop]
        center, width, height = p[k, 1], math.exp(p[k, 2]), math.exp(p[k, 0])
        _bell(here, center, width, value)
        by_center, by_width, inverse = rows[at + 1, first:stop], rows[at + 2, first:stop], 1 / width
        for i in range(here.size):
            u = (here[i] - center) * inverse
            high = height * value[i]
            value[i] = high
            left[i] -= high
            by_center[i] = high * u * inverse
            by_width[i] = high * u * u
    _write_baseline(curve, base, PER * p.shape[0], rows, span, residual)


@njit(nogil=True, cache=True, error_model="numpy")
def _write_baseline(
    curve: Curve, base: Floats, at: int, rows: Floats, span: Integers, residual: Floats
) -> None:
    x = curve.x
    for j in range(at, span.shape[0]):
        span[j, 0], span[j, 1] = 0, x.size
    if curve.kind == 3:
        for i in range(x.size):
            decay = math.exp(min(-base[1] * x[i], 300.0))
            rows[at, i] = decay
            rows[at + 1, i] = -base[0] * x[i] * decay
            residual[i] -= base[0] * decay
    elif curve.kind > 0:
        slope = base[1] if curve.kind == 2 else 0.0
        for i in range(x.size):
            rows[at, i] = 1.0
            residual[i] -= base[0] + slope * x[i]
        if curve.kind == 2:
            rows[at + 1] = x


@njit(nogil=True, cache=True, error_model="numpy")
def _moments(x: Floats, a: Floats, b: Floats, center: float, width: float, out: Floats) -> None:
    """Write the sums of a b u^n for n from 0 to 4."""
    s0 = s1 = s2 = s3 = s4 = 0.0
    inverse = 1.0 / width
    for i in range(x.size):
        u, m = (x[i] - center) * inverse, a[i] * b[i]
        s0 += m
        m *= u
        s1 += m
        m *= u
        s2 += m
        m *= u
        s3 += m
        s4 += m * u
    out[0], out[1], out[2], out[3], out[4] = s0, s1, s2, s3, s4


@njit(nogil=True, cache=True, error_model="numpy")
def _block(
    curve: Curve, p: Floats, wide: Floats, k: int, j: int, rows: Floats, span: Integers,
    gram: Floats, m: Floats,
) -> None:  # fmt: skip
    """Write the products of the derivatives of two Gaussians.

    They are polynomials of degree 2 in x times the Gaussians, so that five sums tell all nine; in
    the coordinate u of the narrower one, of which that of the other, c u + d, is no cancellation.
    """
    one, two = (k, j) if p[k, 2] <= p[j, 2] else (j, k)
    center, width, other = p[one, 1], wide[one], wide[two]
    c, d = width / other, (center - p[two, 1]) / other
    at, at2 = PER * one, PER * two
    low, high = max(span[at, 0], span[at2, 0]), min(span[at, 1], span[at2, 1])
    if low >= high:
        gram[PER * k : PER * k + PER, PER * j : PER * j + PER] = 0.0
        return
    _moments(curve.x[low:high], rows[at, low:high], rows[at2, low:high], center, width, m)
    for n in range(3):
        by_center = c * m[n + 1] + d * m[n]
        by_width = c * c * m[n + 2] + 2.0 * c * d * m[n + 1] + d * d * m[n]
        scale = 1.0 / width if n == 1 else 1.0
        for q, value in ((0, m[n]), (1, by_center / other), (2, by_width)):
            row, column = (at + n, at2 + q) if k == one else (at2 + q, at + n)
            gram[row, column] = scale * value


@njit(nogil=True, cache=True, error_model="numpy")
def _products(
    curve: Curve, p: Floats, rows: Floats, span: Integers, residual: Floats, gram: Floats,
    right: Floats,
) -> None:  # fmt: skip
    """Write the rows' products with each other, in the lower half, and with the residual."""
    moment, wide = np.empty(5), np.empty(p.shape[0])
    for k in range(p.shape[0]):
        wide[k] = math.exp(p[k, 2])
        for j in range(k + 1):
            _block(curve, p, wide, k, j, rows, span, gram, moment)
    for i in range(span.shape[0]):
        first, stop = span[i, 0], span[i, 1]
        right[i] = _dot(rows[i, first:stop], residual[first:stop])
        for j in range(i + 1 if i >= p.size else 0):
            low, high = max(first, span[j, 0]), min(stop, span[j, 1])
            gram[i, j] = _dot(rows[i, low:high], rows[j, low:high]) if low < high else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _evaluate(
    curve: Curve, p: Floats, base: Floats, effort: Effort, rows: Floats, span: Integers,
    residual: Floats, gram: Floats, right: Floats,
) -> None:  # fmt: skip
    """Write rows, products and residual at the best heights for the centers and widths.

    This is variable projection: what is left is the projected residual, and its Gauss-Newton step
    is Kaufman's.
    """
    _write_rows(curve, p, base, effort.reach, rows, span, residual)
    _products(curve, p, rows, span, residual, gram, right)
    _solve_heights(curve.kind, p, base, rows, span, residual, gram, right, effort.fixed)
    fixed = effort.fixed
    if fixed >= 0:
        right[fixed] = 0.0
        for i in range(right.size):
            gram[max(i, fixed), min(i, fixed)] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _linear_row(count: int, i: int) -> int:
    """Return the row of a height, or behind them of a coefficient of the baseline."""
    return PER * i if i < count else PER * count + i - count


@njit(nogil=True, cache=True, error_model="numpy")
def _linear_change(
    count: int, lines: int, gram: Floats, right: Floats, fixed: int, change: Floats
) -> bool:
    """Write the relative change of each height, and that of the linear baseline, if it is safe."""
    matrix, goal = np.empty((count + lines, count + lines)), np.empty(count + lines)
    for i in range(goal.size):
        at = _linear_row(count, i)
        goal[i] = right[at] if at != fixed else 0.0
        for j in range(i + 1):
            at2 = _linear_row(count, j)
            matrix[i, j] = gram[at, at2]
            if fixed in (at, at2):
                matrix[i, j] = 1.0 if i == j else 0.0
    if not _factor(matrix):
        return False
    _substitute(matrix, goal, change)
    for i in range(goal.size):
        if not abs(change[i]) < 1e6 or (i < count and change[i] <= -0.95):
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _solve_heights(
    kind: int, p: Floats, base: Floats, rows: Floats, span: Integers, residual: Floats,
    gram: Floats, right: Floats, fixed: int,
) -> None:  # fmt: skip
    """Set heights and linear baseline to the least squares of the given centers and widths.

    All but the fixed parameter, if it is among them. Where a height would not stay positive nothing
    changes. The products are carried over.
    """
    count, size, lines = p.shape[0], right.size, 1 if kind == 3 else kind
    change, factor = np.empty(count + lines), np.ones(size)
    if not _linear_change(count, lines, gram, right, fixed, change):
        return
    for i in range(change.size):
        at, step = _linear_row(count, i), change[i]
        row, left = rows[at, span[at, 0] : span[at, 1]], residual[span[at, 0] : span[at, 1]]
        for j in range(row.size):
            left[j] -= step * row[j]
        for j in range(size):
            right[j] -= step * gram[max(j, at), min(j, at)]
        if i < count:
            p[i, 0] += math.log1p(step)
            factor[at : at + PER] = 1.0 + step
        else:
            base[i - count] += step
    if kind == 3 and base[0] != change[count]:
        factor[size - 1] = base[0] / (base[0] - change[count])
    for i in range(size):
        right[i] *= factor[i]
        for j in range(i + 1):
            gram[i, j] *= factor[i] * factor[j]


@njit(nogil=True, cache=True, error_model="numpy")
def bounds(curve: Curve, center: float) -> tuple[float, float, float, float]:
    """Return the least and greatest center, and log width there, of a component."""
    x, gap = curve.x, 1.0
    low, high = x[0], x[-1]
    span = high - low
    if not curve.uniform:
        at = min(max(_first(curve, center), 1), x.size - 1)
        first, last = max(at - 2, 0), min(at + 1, x.size - 1)
        # As far as the samples around lie apart in the mean, and never less than the two beside it.
        gap = max(x[at] - x[at - 1], (x[last] - x[first]) / (last - first), 1e-9 * span)
    most = math.log(span + 1.0)
    least = min(math.log(_NARROWEST * gap), most)
    return low - _BEYOND * span, high + _BEYOND * span, least, most


@njit(nogil=True, cache=True, error_model="numpy")
def bounds_of(curve: Curve, p: Floats) -> Floats:
    """Return (component, 4) bounds."""
    out = np.empty((p.shape[0], 4))
    for k in range(p.shape[0]):
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = bounds(curve, p[k, 1])
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def determined(curve: Curve, p: Floats, covariance: Floats, wild: float) -> Masks:
    """Tell the components within their bounds, with errors above 0 and below `wild` widths."""
    limits, out = bounds_of(curve, p), np.ones(p.shape[0], np.bool_)
    slack = (1e-6 * (curve.x[-1] - curve.x[0]), 1e-6)
    for k in range(p.shape[0]):
        for i in range(PER):
            variance = covariance[p.shape[1] * k + i, p.shape[1] * k + i]
            most = wild * (math.exp(p[k, 2]) if i == 1 else 1.0)
            out[k] &= 0.0 < variance < most * most
        for i in range(2):
            low, high = limits[k, 2 * i] + slack[i], limits[k, 2 * i + 1] - slack[i]
            out[k] &= low < p[k, 1 + i] < high
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _stepped(curve: Curve, p: Floats, base: Floats, step: Floats, q: Floats, other: Floats) -> None:
    """Write p + step, no component jumping further than about its width."""
    span = curve.x[-1] - curve.x[0]
    for k in range(p.shape[0]):
        width, at = math.exp(p[k, 2]), PER * k
        q[k, 0] = p[k, 0] + min(max(step[at], -1.5), 1.5)
        move = min(max(step[at + 1], -1.5 * width), 1.5 * width)
        low, high, least, most = bounds(curve, p[k, 1] + move)
        q[k, 1] = min(max(p[k, 1] + move, low), high)
        grow = min(max(step[at + 2], -0.7), 0.7)
        q[k, 2] = min(max(p[k, 2] + grow, least), most)
    other[0], other[1] = base[0], base[1]
    at = PER * p.shape[0]
    if curve.kind > 0:
        other[0] = base[0] + step[at]
    if curve.kind > 1:
        limit = 0.7 * max(abs(base[1]), 1.0 / (span + 1.0)) if curve.kind == 3 else math.inf
        other[1] = base[1] + min(max(step[at + 1], -limit), limit)


@njit(nogil=True, cache=True, error_model="numpy")
def _damped(
    gram: Floats, right: Floats, damping: float, refused: int, matrix: Floats, step: Floats
) -> tuple[float, int]:
    """Write a damped step; return the damping that it takes, and the refusals with it."""
    while refused <= _REFUSALS:
        for i in range(right.size):
            for j in range(i):
                matrix[i, j] = gram[i, j]
            matrix[i, i] = (1.0 + damping) * gram[i, i] + 1e-300
        if _factor(matrix):
            _substitute(matrix, right, step)
            break
        damping, refused = min(6.0 * damping, 1e8), refused + 1
    return damping, refused


@njit(nogil=True, cache=True, error_model="numpy")
def fit(curve: Curve, p: Floats, base: Floats, effort: Effort) -> tuple[float, int]:
    """Fit by Levenberg-Marquardt with projected heights, in place; return rss and iterations.

    The iterations are negative where the cap came first.
    """
    size = p.size + min(curve.kind, 2)
    rows, rows2 = np.empty((size, curve.x.size)), np.empty((size, curve.x.size))
    residual, residual2 = np.empty(curve.x.size), np.empty(curve.x.size)
    gram, gram2, matrix = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    right, right2, step = np.empty(size), np.empty(size), np.empty(size)
    span, q, other = np.empty((size, 2), np.int64), np.empty_like(p), np.empty(2)
    q[:], other[:] = p, base
    rss, damping, refused, gain = math.inf, 1e-3, 0, 0.0
    for iteration in range(effort.cap + 1):
        _evaluate(curve, q, other, effort, rows2, span, residual2, gram2, right2)
        rss2 = _dot(residual2, residual2)
        if rss2 < rss or iteration == 0:
            gain = rss - rss2
            p[:], base[:], rss = q, other, rss2
            rows, rows2 = rows2, rows
            residual, residual2 = residual2, residual
            gram, gram2 = gram2, gram
            right, right2 = right2, right
            quick = damping <= 1e-2
            if iteration > 0:
                damping, refused = max(0.2 * damping, 1e-10), 0
            if size == 0 or (gain < effort.small and quick):
                return rss, iteration
            if iteration > 3 and rss - effort.target > _LARGEST_RATIO * gain:
                return rss, iteration
        elif rss2 - rss < effort.small and damping <= 1e-2:
            return rss, iteration
        else:
            damping, refused = min(6.0 * damping, 1e8), refused + 1
        damping, refused = _damped(gram, right, damping, refused, matrix, step)
        if refused > _REFUSALS:
            return rss, iteration
        _stepped(curve, p, base, step, q, other)
    return rss, -effort.cap


@njit(nogil=True, cache=True, error_model="numpy")
def residual_of(curve: Curve, p: Floats, base: Floats, reach: float) -> Floats:
    """Return what the model leaves."""
    size = p.size + min(curve.kind, 2)
    rows, residual = np.empty((size, curve.x.size)), np.empty(curve.x.size)
    _write_rows(curve, p, base, reach, rows, np.empty((size, 2), np.int64), residual)
    return residual


@njit(nogil=True, cache=True, error_model="numpy")
def linearised(
    curve: Curve, p: Floats, base: Floats, reach: float
) -> tuple[float, Floats, Floats, bool]:
    """Return rss, the undamped step to its least, and the inverse of the rows' products.

    And whether there is one. Parameters that the model does not depend on have a step and a
    variance of 0.
    """
    size = p.size + min(curve.kind, 2)
    rows, residual = np.empty((size, curve.x.size)), np.empty(curve.x.size)
    span, gram = np.empty((size, 2), np.int64), np.empty((size, size))
    right, scale, inverse = np.empty(size), np.empty(size), np.zeros((size, size))
    _write_rows(curve, p, base, reach, rows, span, residual)
    _products(curve, p, rows, span, residual, gram, right)
    for i in range(size):
        scale[i] = 1.0 / math.sqrt(gram[i, i]) if gram[i, i] > 0.0 else 0.0
        for j in range(i + 1):
            gram[i, j] *= scale[i] * scale[j]
        if gram[i, i] == 0.0:
            gram[i, i] = 1.0
        right[i] *= scale[i]
    rss, good = _dot(residual, residual), _factor(gram)
    if good:
        unit = np.zeros(size)
        for i in range(size):
            unit[i] = 1.0
            _substitute(gram, unit, inverse[i])
            unit[i] = 0.0
        _substitute(gram, right, unit)
        right[:] = unit
    for i in range(size):
        right[i] *= scale[i]
        for j in range(size):
            inverse[i, j] *= scale[i] * scale[j]
    return rss, right, inverse, good


@njit(nogil=True, cache=True, error_model="numpy")
def stepped(curve: Curve, p: Floats, base: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Return p and base after a step, no component jumping further than about its width."""
    q, other = np.empty_like(p), np.empty(2)
    _stepped(curve, p, base, step, q, other)
    return q, other


@njit(nogil=True, cache=True, error_model="numpy")
def softest(p: Floats, inverse: Floats) -> Floats:
    """Return the direction in which the components are known least, one standard deviation long.

    In log heights, widths and log widths, so that a step of 1 is large for each; by power
    iteration, of noise of variance 1.
    """
    size = p.size
    unit, direction, new = np.ones(size), np.empty(size), np.empty(size)
    for i in range(size):
        if i % PER == 1:
            unit[i] = math.exp(-p[i // PER, 2])
        direction[i] = math.sqrt(max(inverse[i, i], 0.0)) * unit[i] * (1.0 if i % 2 else -1.0)
    length = 0.0
    for _ in range(40):
        for i in range(size):
            new[i] = 0.0
            for j in range(size):
                new[i] += unit[i] * inverse[i, j] * unit[j] * direction[j]
        length = math.sqrt(_dot(new, new))
        if not 0.0 < length < math.inf:
            return np.zeros(size)
        for i in range(size):
            direction[i] = new[i] / length
    for i in range(size):
        direction[i] *= math.sqrt(length) / unit[i]
    return direction


@njit(nogil=True, cache=True, error_model="numpy")
def _subtract(curve: Curve, one: Floats, sign: float, out: Floats) -> None:
    """Subtract a component, times a sign, from a signal."""
    first, stop = _window(curve, one, 6.0)
    value, x, left = np.empty(stop - first), curve.x[first:stop], out[first:stop]
    _bell(x, one[1], math.exp(one[2]), value)
    height = sign * math.exp(one[0])
    for i in range(x.size):
        left[i] -= height * value[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _overlapping(p: Floats, gone: Masks, low: float, high: float) -> Masks:
    """Mark the components that overlap a stretch, the five nearest to its middle at most."""
    near = np.zeros(p.shape[0], np.bool_)
    for _ in range(5):
        best, chosen = math.inf, -1
        for k in range(p.shape[0]):
            width = 2.5 * math.exp(p[k, 2])
            distance = abs(p[k, 1] - 0.5 * (low + high))
            meets = p[k, 1] + width > low and p[k, 1] - width < high
            if meets and not near[k] and not gone[k] and distance < best:
                best, chosen = distance, k
        if chosen < 0:
            break
        near[chosen] = True
    return near


@njit(nogil=True, cache=True, error_model="numpy")
def _stretch(p: Floats, gone: Masks, near: Masks, new: Floats, wide: float) -> tuple[float, float]:
    """Return the ends of what is replaced, of what is put there, and of what is beside them."""
    low, high = math.inf, -math.inf
    for k in range(p.shape[0]):
        if gone[k] or near[k]:
            width = (wide if gone[k] else 3.0) * math.exp(p[k, 2])
            low, high = min(low, p[k, 1] - width), max(high, p[k, 1] + width)
    for k in range(new.shape[0]):
        width = 3.0 * math.exp(new[k, 2])
        low, high = min(low, new[k, 1] - width), max(high, new[k, 1] + width)
    return low, high


@njit(nogil=True, cache=True, error_model="numpy")
def _trial(
    curve: Curve, residual: Floats, p: Floats, gone: Masks, new: Floats, rules: Rules
) -> tuple[float, Floats, int]:
    """Replace components by new ones, refit them with their neighbours in their stretch only.

    Returns the change of the criterion in variances, the components of the whole signal, and how
    many of the samples were gone through.
    """
    count = p.shape[0]
    peak = -math.inf
    for k in range(count):
        peak = max(peak, p[k, 0])
    # As far as what is replaced stands out of the noise.
    over = 1.0 + 2.0 * math.exp(peak) / math.sqrt(rules.variance)
    wide = max(3.0, math.sqrt(2.0 * math.log(over)))
    near = np.zeros(count, np.bool_)
    low, high = _stretch(p, gone, near, new, wide)
    near = _overlapping(p, gone, low, high)
    low, high = _stretch(p, gone, near, new, wide)
    first, stop = _first(curve, low - 4.0), _first(curve, high + 4.0)
    there, removed = 0, 0
    for k in range(count):
        there += int(near[k])
        removed += int(gone[k])
    if stop - first <= PER * (there + new.shape[0]):
        return math.inf, p, 0
    out, at, last = np.empty((count - removed + new.shape[0], PER)), 0, count - removed - there
    local = out[last:]
    part = Curve(curve.x[first:stop], residual[first:stop].copy(), 0, curve.uniform)
    before = _dot(part.y, part.y)
    for k in range(count):
        if near[k] or gone[k]:
            _subtract(part, p[k], -1.0, part.y)
        if near[k]:
            out[last] = p[k]
            last += 1
        elif not gone[k]:
            out[at] = p[k]
            at += 1
    out[last:] = new
    change = (new.shape[0] - removed) * rules.penalty
    effort = Effort(REACH, 30, 5e-2 * rules.variance, before - change * rules.variance, -1)
    rss, iterations = fit(part, local, np.zeros(2), effort)
    work = (1 + abs(iterations)) * part.x.size * local.shape[0]
    return (rss - before) / rules.variance + change, out, work


@njit(nogil=True, cache=True, error_model="numpy")
def _merged(a: Floats, b: Floats) -> Floats:
    """Return the component of the same area, center of mass and variance as two."""
    wide_a, wide_b = math.exp(a[2]), math.exp(b[2])
    part = 1.0 / (1.0 + math.exp(b[0] + b[2] - a[0] - a[2]))
    center = part * a[1] + (1.0 - part) * b[1]
    second = part * (wide_a**2 + (a[1] - center) ** 2)
    second += (1.0 - part) * (wide_b**2 + (b[1] - center) ** 2)
    out = np.empty((1, PER))
    out[0, 2] = 0.5 * math.log(second)
    out[0, 0] = a[0] + a[2] - math.log(part) - out[0, 2]
    out[0, 1] = center
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _parts(one: Floats, version: int) -> Floats:
    """Return two components in place of one: alike, or one of them the larger."""
    width, out = math.exp(one[2]), np.empty((2, PER))
    for k in range(2):
        narrow, shift, part = 0.8, 0.7 * (2 * k - 1), 0.62
        if version > 0:
            larger = (k == 1) == (version == 1)
            narrow, part = (1.0, 0.85) if larger else (0.7, 0.35)
            shift = (0.4 if larger else 0.9) * (2 * k - 1)
        out[k, 0] = one[0] + math.log(part)
        out[k, 1] = one[1] + shift * width
        out[k, 2] = one[2] + math.log(narrow)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _promise(curve: Curve, residual: Floats, p: Floats, k: int) -> float:
    """Return by how much splitting a component would lower rss to first order.

    The residual is fitted by the component's third to sixth derivatives, as a sum of two near
    Gaussians is the component plus those, beside the first-order changes of it and its neighbours.
    """
    chosen = np.zeros(p.shape[0], np.bool_)
    near = _overlapping(p, chosen, p[k, 1] - 1.0, p[k, 1] + 1.0)
    near[k] = True
    width, count = math.exp(p[k, 2]), 0
    some = np.empty_like(p)
    for j in range(p.shape[0]):
        if near[j]:
            some[count] = p[j]
            count += 1
    first, stop = _first(curve, p[k, 1] - 5.0 * width), _first(curve, p[k, 1] + 5.0 * width)
    size = PER * count + 4
    if stop - first <= size:
        return math.inf
    part = Curve(curve.x[first:stop], residual[first:stop], 0, curve.uniform)
    rows, span = np.empty((size, part.x.size)), np.empty((size, 2), np.int64)
    _write_rows(part, some[:count], np.zeros(2), REACH, rows, span, np.empty(part.x.size))
    for i in range(part.x.size):
        u = (part.x[i] - p[k, 1]) / width
        bell, before, hermite = math.exp(-0.5 * u * u), u, u * u - 1.0
        for order in range(4):
            before, hermite = hermite, u * hermite - (order + 2) * before
            rows[PER * count + order, i] = hermite * bell
    gram, right, step = np.empty((size, size)), np.empty(size), np.empty(size)
    _products(part, some[:count], rows, span, part.y, gram, right)
    for i in range(size):
        gram[i, i] *= 1.0 + 1e-9
    if not _factor(gram):
        return math.inf
    _substitute(gram, right, step)
    return _dot(right, step)


@njit(nogil=True, cache=True, error_model="numpy")
def _without(p: Floats, turn: int, gone: Masks) -> tuple[bool, Floats]:
    """Mark one component, or a pair of neighbours and what they merge to; say if there is any."""
    k, other = turn // gone.size, turn % gone.size
    nobody = np.empty((0, PER))
    if other < k:
        return False, nobody
    gone[k] = gone[other] = True
    if other == k:
        return True, nobody
    near = abs(p[k, 1] - p[other, 1]) < 2.5 * math.exp(max(p[k, 2], p[other, 2]))
    return near, _merged(p[k], p[other])


@njit(nogil=True, cache=True, error_model="numpy")
def best_change(
    curve: Curve, residual: Floats, p: Floats, added: Floats, fewer: bool, rules: Rules, bar: float
) -> tuple[float, Floats, int]:
    """Return the best of all changes of the set of components by one, if below a bar; and the work.

    Either `fewer`, by leaving out each and merging each pair of neighbours, or more, by each of the
    added ones and by splitting each.
    """
    best, chosen, work, count, promised = bar, p, 0, p.shape[0], False
    for turn in range(count * count if fewer else added.shape[0] + 3 * count):
        gone, good = np.zeros(count, np.bool_), True
        if fewer:
            good, new = _without(p, turn, gone)
        elif turn < added.shape[0]:
            new = added[turn : turn + 1]
        else:
            k, version = (turn - added.shape[0]) // 3, (turn - added.shape[0]) % 3
            gone[k] = True
            if version == 0:
                least = 0.3 * rules.penalty * rules.variance
                promised = _promise(curve, residual, p, k) >= least
            good, new = promised, _parts(p[k], version)
        if good:
            score, found, done = _trial(curve, residual, p, gone, new, rules)
            work += done
            if score < best:
                best, chosen = score, found
    return best, chosen, work


@njit(nogil=True, cache=True, error_model="numpy")
def profile(
    curve: Curve, p: Floats, base: Floats, tangent: Floats, which: int, shift: float, rise: float,
    rss: float,
) -> tuple[float, float]:  # fmt: skip
    """Return how far a parameter moves, from `shift` on, until the best rss has risen by `rise`.

    The others start where the tangent, their change by a change of 1, leads them. The root of the
    rise is nearly linear in the parameter, so secants find it; NaN if it does not rise that far
    within 8 shifts. And how many samples times components the fits went through.
    """
    before, level, at, work = 0.0, 0.0, shift, 0.0
    q, other, step = p.copy(), base.copy(), np.empty(tangent.size)
    k, part = which // PER, which % PER
    effort = Effort(9.0, 60, 2e-3 * rise, math.inf, which)
    for _ in range(8):
        for i in range(step.size):
            step[i] = tangent[i] * (at - before)
        old, old_base = q.copy(), other.copy()
        _stepped(curve, old, old_base, step, q, other)
        q[k, part] = p[k, part] + at
        rss2, iterations = fit(curve, q, other, effort)
        work += (1 + abs(iterations)) * curve.x.size * (1 + p.shape[0])
        root = math.sqrt(max(rss2 - rss, 0.0) / rise)
        slope = (root - level) / (at - before)
        before, level = at, root
        if not abs(slope * shift) > 1e-6:
            return math.nan, work
        at += min(max((1.0 - root) / slope / shift, -0.7 * at / shift), 3.0) * shift
        if abs(root - 1.0) < _STRAIGHT:
            return at, work
        if abs(at) > 8.0 * abs(shift):
            return math.nan, work
    return at, work
