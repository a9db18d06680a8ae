"""Compiled loops of the decomposition: seeds, the fit, and the search for components.

They share one file because Numba's cache watches only the file of the function that is called.
A component is a row (log height, center, log width) in units of samples and of the scaled signal.
No loop allocates beyond its signal; none runs without a cap.
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
SEEDS = 16
_TRACKS = 256
_NARROWEST = math.log(0.3)
_LARGEST_RATIO = 12.0


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
def solve(matrix: Floats, right: Floats, out: Floats) -> bool:
    """Solve a symmetric positive definite system by Cholesky, in place; say if it is one."""
    size = right.size
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
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _first(curve: Curve, value: float) -> int:
    """Return the index of the first x that is not below a value."""
    if curve.uniform:
        return int(min(max(math.ceil(value - curve.x[0]), 0.0), float(curve.x.size)))
    return int(np.searchsorted(curve.x, value))


@njit(nogil=True, cache=True, error_model="numpy")
def rows_of(
    curve: Curve, p: Floats, base: Floats, reach: float, rows: Floats, residual: Floats
) -> None:
    """Write the derivatives of the model by each parameter, and what the model leaves of y."""
    x = curve.x
    residual[:] = curve.y
    for k in range(p.shape[0]):
        height, center, width = math.exp(p[k, 0]), p[k, 1], math.exp(p[k, 2])
        first, stop = _first(curve, center - reach * width), _first(curve, center + reach * width)
        part = rows[PER * k : PER * k + PER]
        part[:, :first] = 0.0
        part[:, stop:] = 0.0
        for i in range(first, stop):
            u = (x[i] - center) / width
            value = height * math.exp(-0.5 * u * u)
            residual[i] -= value
            part[0, i] = value
            part[1, i] = value * u / width
            part[2, i] = value * u * u
    at = PER * p.shape[0]
    if curve.kind in (1, 2):
        rows[at] = 1.0
        residual -= base[0]
    if curve.kind == 2:
        rows[at + 1] = x
        residual -= base[1] * x
    if curve.kind == 3:
        for i in range(x.size):
            decay = math.exp(min(-base[1] * x[i], 300.0))
            rows[at, i] = decay
            rows[at + 1, i] = -base[0] * x[i] * decay
            residual[i] -= base[0] * decay


@njit(nogil=True, cache=True, error_model="numpy")
def _solve_heights(
    curve: Curve, p: Floats, base: Floats, rows: Floats, residual: Floats, gram: Floats, fixed: int
) -> None:
    """Set heights and linear baseline to the least squares of the given centers and widths.

    All but the fixed parameter, if it is among them. Where a height would not stay positive nothing
    changes. This is variable projection: what is left is the projected residual, and its
    Gauss-Newton step is Kaufman's.
    """
    count = p.shape[0]
    change = _linear_change(count, curve.kind, rows, residual, gram, fixed)
    if change.size == 0 or np.any(change[:count] <= -0.95) or not np.all(np.abs(change) < 1e6):
        return
    factor = np.ones(rows.shape[0])
    for k in range(count):
        residual -= change[k] * rows[PER * k]
        p[k, 0] += math.log1p(change[k])
        factor[PER * k : PER * k + PER] = 1.0 + change[k]
    for k in range(change.size - count):
        residual -= change[count + k] * rows[PER * count + k]
        base[k] += change[count + k]
    if curve.kind == 3 and base[0] != change[count]:
        factor[-1] = base[0] / (base[0] - change[count])
    for i in range(rows.shape[0]):
        if factor[i] != 1.0:
            rows[i] *= factor[i]
            gram[i] *= factor[i]
            gram[:, i] *= factor[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _linear_change(
    count: int, kind: int, rows: Floats, residual: Floats, gram: Floats, fixed: int
) -> Floats:
    """Return the relative change of each height, and that of the linear baseline; or nothing."""
    lines = (0, 1, 2, 1)[kind]
    index = np.empty(count + lines, np.int64)
    for k in range(count + lines):
        index[k] = PER * k if k < count else PER * count + k - count
    matrix, right = np.empty((index.size, index.size)), np.empty(index.size)
    for i in range(index.size):
        right[i] = np.dot(rows[index[i]], residual)
        for j in range(i + 1):
            matrix[i, j] = gram[index[i], index[j]]
    for i in range(index.size):
        if index[i] == fixed:
            right[i], matrix[i, :i], matrix[i:, i] = 0.0, 0.0, 0.0
            matrix[i, i] = 1.0
    change = np.empty(index.size)
    return change if solve(matrix, right, change) else change[:0]


@njit(nogil=True, cache=True, error_model="numpy")
def _evaluate(
    curve: Curve, p: Floats, base: Floats, reach: float, rows: Floats, residual: Floats, fixed: int
) -> Floats:
    """Write rows and residual at the best heights; return the rows' products with each other."""
    rows_of(curve, p, base, reach, rows, residual)
    gram: Floats = np.dot(rows, rows.T)
    _solve_heights(curve, p, base, rows, residual, gram, fixed)
    if fixed >= 0:
        gram[fixed], gram[:, fixed], rows[fixed] = 0.0, 0.0, 0.0
    return gram


@njit(nogil=True, cache=True, error_model="numpy")
def _stepped(curve: Curve, p: Floats, base: Floats, step: Floats, q: Floats, other: Floats) -> None:
    """Write p + step, no component jumping further than about its width."""
    low, high = curve.x[0], curve.x[-1]
    span = high - low
    for k in range(p.shape[0]):
        width = math.exp(p[k, 2])
        q[k, 0] = p[k, 0] + min(max(step[PER * k], -1.5), 1.5)
        move = min(max(step[PER * k + 1], -1.5 * width), 1.5 * width)
        q[k, 1] = min(max(p[k, 1] + move, low - 0.2 * span), high + 0.2 * span)
        grow = min(max(step[PER * k + 2], -0.7), 0.7)
        q[k, 2] = min(max(p[k, 2] + grow, _NARROWEST), math.log(span + 1.0))
    other[:] = base
    at = PER * p.shape[0]
    if curve.kind:
        other[0] = base[0] + step[at]
    if curve.kind > 1:
        limit = 0.7 * max(abs(base[1]), 1.0 / (span + 1.0)) if curve.kind == 3 else math.inf
        other[1] = base[1] + min(max(step[at + 1], -limit), limit)


@njit(nogil=True, cache=True, error_model="numpy")
def fit(curve: Curve, p: Floats, base: Floats, effort: Effort) -> tuple[float, int]:
    """Fit by Levenberg-Marquardt with projected heights, in place; return rss and iterations.

    The iterations are negative where the cap came first.
    """
    size = PER * p.shape[0] + (0, 1, 2, 2)[curve.kind]
    rows, residual = np.zeros((size, curve.x.size)), np.empty(curve.x.size)
    gram = _evaluate(curve, p, base, effort.reach, rows, residual, effort.fixed)
    rss = np.dot(residual, residual)
    if size == 0:
        return rss, 0
    q, other = np.empty_like(p), np.empty_like(base)
    rows2, residual2 = np.zeros_like(rows), np.empty_like(residual)
    step = np.empty(size)
    damping, refused = 1e-3, 0
    for iteration in range(effort.cap):
        matrix = gram.copy()
        for i in range(size):
            matrix[i, i] += damping * gram[i, i] + 1e-300
        if solve(matrix, np.dot(rows, residual), step):
            _stepped(curve, p, base, step, q, other)
            gram2 = _evaluate(curve, q, other, effort.reach, rows2, residual2, effort.fixed)
            rss2 = np.dot(residual2, residual2)
        else:
            rss2, gram2 = math.inf, gram
        if rss2 < rss:
            gain = rss - rss2
            p[:], base[:], rss, gram = q, other, rss2, gram2
            rows, rows2 = rows2, rows
            residual, residual2 = residual2, residual
            quick = damping <= 1e-2
            damping, refused = max(0.2 * damping, 1e-10), 0
            if gain < effort.small and quick:
                return rss, iteration
            if iteration > 2 and rss - effort.target > _LARGEST_RATIO * gain:
                return rss, iteration
        elif rss2 - rss < effort.small and damping <= 1e-2:
            return rss, iteration
        else:
            damping, refused = min(6.0 * damping, 1e8), refused + 1
            if refused > 8:
                return rss, iteration
    return rss, -effort.cap


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
def _add_model(x: Floats, p: Floats, reach: float, uniform: bool, out: Floats) -> None:
    curve = Curve(x, out, 0, uniform)
    for k in range(p.shape[0]):
        height, center, width = math.exp(p[k, 0]), p[k, 1], math.exp(p[k, 2])
        for i in range(
            _first(curve, center - reach * width), _first(curve, center + reach * width)
        ):
            u = (x[i] - center) / width
            out[i] += height * math.exp(-0.5 * u * u)


@njit(nogil=True, cache=True, error_model="numpy")
def _neighbours(p: Floats, gone: Masks, low: float, high: float) -> Masks:
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
def _span(p: Floats, chosen: Masks, widths: float) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for k in range(p.shape[0]):
        if chosen[k]:
            width = widths * math.exp(p[k, 2])
            low, high = min(low, p[k, 1] - width), max(high, p[k, 1] + width)
    return low, high


@njit(nogil=True, cache=True, error_model="numpy")
def _trial(
    curve: Curve, residual: Floats, p: Floats, gone: Masks, new: Floats, rules: Rules
) -> tuple[float, Floats]:
    """Replace components by new ones, refit them with their neighbours in their stretch only.

    Returns the change of the criterion in variances, and the components of the whole signal.
    """
    everyone = np.ones(new.shape[0], np.bool_)
    # As far as what is replaced stands out of the noise.
    peak = math.exp(p[:, 0].max()) if p.shape[0] else 0.0
    wide = max(3.0, math.sqrt(2.0 * math.log(1.0 + 2.0 * peak / math.sqrt(rules.variance))))
    low, high = _span(p, gone, wide)
    low2, high2 = _span(new, everyone, 3.0)
    low, high = min(low, low2), max(high, high2)
    near = _neighbours(p, gone, low, high)
    low2, high2 = _span(p, near, 3.0)
    low, high = min(low, low2) - 4.0, max(high, high2) + 4.0
    first, stop = _first(curve, low), _first(curve, high)
    local = np.concatenate((p[near], new))
    if stop - first <= PER * local.shape[0]:
        return math.inf, p
    x, y = curve.x[first:stop], residual[first:stop].copy()
    before = np.dot(y, y)
    _add_model(x, p[near | gone], 6.0, curve.uniform, y)
    change = (new.shape[0] - np.sum(gone)) * rules.penalty
    target = before - change * rules.variance
    effort = Effort(6.0, 40, 1e-2 * rules.variance, target, -1)
    rss, _ = fit(Curve(x, y, 0, curve.uniform), local, np.zeros(2), effort)
    return (rss - before) / rules.variance + change, np.concatenate((p[~(near | gone)], local))


@njit(nogil=True, cache=True, error_model="numpy")
def _merged(a: Floats, b: Floats) -> Floats:
    """Return the component of the same area, center of mass and variance as two."""
    wide_a, wide_b = math.exp(a[2]), math.exp(b[2])
    area_a, area_b = math.exp(a[0]) * wide_a, math.exp(b[0]) * wide_b
    area = area_a + area_b
    center = (area_a * a[1] + area_b * b[1]) / area
    second = area_a * (wide_a**2 + (a[1] - center) ** 2)
    second += area_b * (wide_b**2 + (b[1] - center) ** 2)
    width = math.sqrt(second / area)
    return np.array([[math.log(area / width), center, math.log(width)]])


@njit(nogil=True, cache=True, error_model="numpy")
def _parts(one: Floats, version: int) -> Floats:
    """Return two components in place of one: alike, or one of them the larger."""
    shapes = ((0.8, 0.8, -0.7, 0.7, 0.62, 0.62), (0.7, 1.0, -0.9, 0.4, 0.35, 0.85),
              (1.0, 0.7, -0.4, 0.9, 0.85, 0.35))  # fmt: skip
    narrow, narrow2, shift, shift2, part, part2 = shapes[version]
    width = math.exp(one[2])
    return np.array(
        [
            [one[0] + math.log(part), one[1] + shift * width, one[2] + math.log(narrow)],
            [one[0] + math.log(part2), one[1] + shift2 * width, one[2] + math.log(narrow2)],
        ]
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _promise(curve: Curve, residual: Floats, p: Floats, k: int, variance: float) -> float:
    """Return what splitting a component would gain to first order, in variances.

    The residual is fitted by the component's third to sixth derivatives, as a sum of two near
    Gaussians is the component plus those, beside the first-order changes of it and its neighbours.
    """
    chosen = np.zeros(p.shape[0], np.bool_)
    near = _neighbours(p, chosen, p[k, 1] - 1.0, p[k, 1] + 1.0)
    near[k] = True
    width = math.exp(p[k, 2])
    first, stop = _first(curve, p[k, 1] - 5.0 * width), _first(curve, p[k, 1] + 5.0 * width)
    x, some = curve.x[first:stop], p[near]
    size = PER * some.shape[0]
    if x.size <= size + 4:
        return math.inf
    rows, rest = np.empty((size + 4, x.size)), np.empty(x.size)
    rows_of(Curve(x, rest, 0, curve.uniform), some, np.zeros(2), 6.0, rows, rest)
    for i in range(x.size):
        u = (x[i] - p[k, 1]) / width
        bell, before, hermite = math.exp(-0.5 * u * u), u, u * u - 1.0
        for order in range(4):
            before, hermite = hermite, u * hermite - (order + 2) * before
            rows[size + order, i] = hermite * bell
    gram, step = np.dot(rows, rows.T), np.empty(size + 4)
    right = np.dot(rows, residual[first:stop])
    for i in range(size + 4):
        gram[i, i] *= 1.0 + 1e-9
    if not solve(gram, right, step):
        return math.inf
    return float(np.dot(right, step) / variance)


@njit(nogil=True, cache=True, error_model="numpy")
def _fewer(curve: Curve, residual: Floats, p: Floats, rules: Rules) -> tuple[float, Floats]:
    """Try to leave out each component and to merge each pair; return the best change."""
    best, chosen, count = 0.0, p, p.shape[0]
    for k in range(count):
        gone = np.zeros(count, np.bool_)
        gone[k] = True
        score, found = _trial(curve, residual, p, gone, np.empty((0, PER)), rules)
        if score < best:
            best, chosen = score, found
        for j in range(k + 1, count):
            if abs(p[k, 1] - p[j, 1]) < 2.5 * math.exp(max(p[k, 2], p[j, 2])):
                gone[j] = True
                score, found = _trial(curve, residual, p, gone, _merged(p[k], p[j]), rules)
                gone[j] = False
                if score < best:
                    best, chosen = score, found
    return best, chosen


@njit(nogil=True, cache=True, error_model="numpy")
def _more(
    curve: Curve, residual: Floats, p: Floats, ladder: Ladder, rules: Rules, bar: float
) -> tuple[float, Floats]:
    """Try to add what stands out of the residual and to split each component, below a bar."""
    best, chosen, count = bar, p, p.shape[0]
    nobody = np.zeros(count, np.bool_)
    seeds, found = find_seeds(residual, ladder, math.sqrt(rules.variance), 3.5, 4.0)
    for k in range(min(found, 4)):
        score, some = _trial(
            curve, residual, p, nobody, seeded(curve, residual, seeds[k : k + 1], rules), rules
        )
        if score < best:
            best, chosen = score, some
    for k in range(count):
        if _promise(curve, residual, p, k, rules.variance) < 0.3 * rules.penalty:
            continue
        gone = nobody.copy()
        gone[k] = True
        for version in range(3):
            score, some = _trial(curve, residual, p, gone, _parts(p[k], version), rules)
            if score < best:
                best, chosen = score, some
    return best, chosen


@njit(nogil=True, cache=True, error_model="numpy")
def seeded(curve: Curve, heights: Floats, seeds: Floats, rules: Rules) -> Floats:
    """Return components at seeds, which lie among the samples, on the true abscissae."""
    out = np.empty((seeds.shape[0], PER))
    last = curve.x.size - 1
    least = 3.0 * math.sqrt(rules.variance)
    for k in range(seeds.shape[0]):
        place = min(max(seeds[k, 0], 0.0), float(last))
        at = min(int(place), last - 1)
        step = curve.x[at + 1] - curve.x[at]
        around = curve.x[min(at + 3, last)] - curve.x[max(at - 2, 0)]
        around /= min(at + 3, last) - max(at - 2, 0)
        out[k, 0] = math.log(max(heights[round(place)], least))
        out[k, 1] = curve.x[at] + (place - at) * step
        out[k, 2] = math.log(max(seeds[k, 1] * around, 0.3))
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _residual(curve: Curve, p: Floats, base: Floats) -> Floats:
    residual = np.empty(curve.x.size)
    rows_of(curve, p, base, 6.0, np.empty((PER * p.shape[0] + 2, curve.x.size)), residual)
    return residual


@njit(nogil=True, cache=True, error_model="numpy")
def _refitted(
    curve: Curve, p: Floats, base: Floats, rules: Rules
) -> tuple[Floats, Floats, float, float]:
    """Fit the whole signal; return components, baseline, rss and criterion in variances."""
    q, other = p.copy(), base.copy()
    rss, _ = fit(curve, q, other, Effort(6.0, 100, 1e-3 * rules.variance, math.inf, -1))
    return q, other, rss, rss / rules.variance + rules.penalty * p.shape[0]


@njit(nogil=True, cache=True, error_model="numpy")
def _descend(
    curve: Curve, start: Floats, base: Floats, ladder: Ladder, rules: Rules
) -> tuple[Floats, Floats, float, float]:
    """Take away, merge, add and split, one change at a time, while the criterion falls."""
    p, b, rss, level = _refitted(curve, start, base, rules)
    for _ in range(rules.rounds):
        residual = _residual(curve, p, b)
        score, q = _fewer(curve, residual, p, rules)
        if score >= 0.0 and p.shape[0] < rules.most:
            score, q = _more(curve, residual, p, ladder, rules, 0.0)
        if score >= 0.0:
            break
        q, b2, rss2, level2 = _refitted(curve, q, b, rules)
        if level2 >= level:
            break
        p, b, rss, level = q, b2, rss2, level2
    return p, b, rss, level


@njit(nogil=True, cache=True, error_model="numpy")
def curvature(curve: Curve, p: Floats, base: Floats, reach: float) -> tuple[Floats, bool]:
    """Return the inverse of the rows' products at these parameters, and whether there is one."""
    size = PER * p.shape[0] + (0, 1, 2, 2)[curve.kind]
    rows, residual = np.zeros((size, curve.x.size)), np.empty(curve.x.size)
    rows_of(curve, p, base, reach, rows, residual)
    gram = np.dot(rows, rows.T)
    scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), 1e-300))
    inverse, unit, good = np.empty((size, size)), np.zeros(size), True
    for i in range(size):
        unit[:] = 0.0
        unit[i] = 1.0
        good = good and solve(gram * scale * scale.reshape(-1, 1), unit, inverse[i])
    return inverse * scale * scale.reshape(-1, 1), good


@njit(nogil=True, cache=True, error_model="numpy")
def _without_doubtful(
    curve: Curve, p: Floats, base: Floats, rss: float, rules: Rules
) -> tuple[Floats, Floats, float, bool]:
    """Leave out one component whose height is ill known, if the fit of all others allows it.

    In a chain of overlapping components one too many is shared by all: leaving it out moves even
    those that a trial on a stretch holds fixed.
    """
    inverse, good = curvature(curve, p, base, 6.0)
    for k in range(p.shape[0]):
        doubt = inverse[PER * k, PER * k] * rules.variance * 30.0 * rules.penalty
        if good and doubt < 1.0:
            continue
        q, b = np.concatenate((p[:k], p[k + 1 :])), base.copy()
        target = rss + rules.penalty * rules.variance
        rss2, _ = fit(curve, q, b, Effort(6.0, 100, 1e-3 * rules.variance, target, -1))
        if rss2 < target:
            return q, b, rss2, True
    return p, base, rss, False


@njit(nogil=True, cache=True, error_model="numpy")
def softest(p: Floats, inverse: Floats) -> Floats:
    """Return the direction in which the components are known least, one standard deviation long.

    In log heights, widths and log widths, so that a step of 1 is large for each; by power
    iteration, of noise of variance 1.
    """
    size = PER * p.shape[0]
    unit = np.ones(size)
    for k in range(p.shape[0]):
        unit[PER * k + 1] = math.exp(-p[k, 2])
    matrix = inverse[:size, :size] * unit * unit.reshape(-1, 1)
    direction, length = np.sqrt(np.maximum(np.diag(matrix), 0.0)), 0.0
    for i in range(size):
        direction[i] *= 1.0 if i % 2 else -1.0
    for _ in range(40):
        direction = np.dot(matrix, direction)
        length = math.sqrt(np.dot(direction, direction))
        if not 0.0 < length < math.inf:
            return np.zeros(size)
        direction /= length
    return direction * math.sqrt(length) / unit


@njit(nogil=True, cache=True, error_model="numpy")
def kicked(
    curve: Curve, p: Floats, base: Floats, inverse: Floats, variance: float, kick: float
) -> tuple[Floats, Floats, float]:
    """Refit from a point some standard deviations away in the softest direction.

    Blends of three and more have optima of nearly equal depth along it. The kick is shortened to
    a change by a factor of e or a width; returns an rss of infinity where a standard deviation is
    too small for another optimum to be near.
    """
    step = kick * math.sqrt(variance) * softest(p, inverse)
    largest = 0.0
    for k in range(p.shape[0]):
        width = math.exp(p[k, 2])
        largest = max(
            largest, abs(step[PER * k]), abs(step[PER * k + 1]) / width, abs(step[PER * k + 2])
        )
    if largest <= 0.03 * abs(kick):
        return p, base, math.inf
    q, other = p.copy(), base.copy()
    full = np.zeros(inverse.shape[0])
    full[: step.size] = step / max(largest, 1.0)
    _stepped(curve, p, base, full, q, other)
    rss2, _ = fit(curve, q, other, Effort(6.0, 100, 1e-3 * variance, math.inf, -1))
    return q, other, rss2


@njit(nogil=True, cache=True, error_model="numpy")
def search(
    curve: Curve, start: Floats, base: Floats, ladder: Ladder, rules: Rules
) -> tuple[Floats, Floats, float, bool]:
    """Find the components of least penalised rss.

    Where no single change helps, up to three components are added that do not pay for themselves
    alone, and the descent goes on from there: it stays where it ends lower. A chain of blended
    components often needs that, as three fit nearly as well as four but not as well as five.

    Returns components, baseline, the least variance of the residuals, also of those larger sets,
    and whether the search ended by itself.
    """
    p, b, rss, level = _descend(curve, start, base, ladder, rules)
    least = math.inf
    for _ in range(rules.rounds):
        q, b2, rss2, fewer = _without_doubtful(curve, p, b, rss, rules)
        if not fewer:
            q, b2, rss2 = _best_kick(curve, p, b, rss, rules)
            if rss2 < rss - 0.1 * rules.variance:
                fewer = True
        if not fewer:
            q, b2, least = _overshot(curve, p, b, ladder, rules, level)
            least = min(least, rss / _freedom(curve, p))
            if q.shape[0] == p.shape[0]:
                return p, b, least, True
        q, b2, rss2, level2 = _descend(curve, q, b2, ladder, rules)
        if level2 >= level - 1e-3:
            return p, b, min(least, rss / _freedom(curve, p)), True
        p, b, rss, level = q, b2, rss2, level2
    return p, b, min(least, rss / _freedom(curve, p)), False


@njit(nogil=True, cache=True, error_model="numpy")
def _best_kick(
    curve: Curve, p: Floats, base: Floats, rss: float, rules: Rules
) -> tuple[Floats, Floats, float]:
    """Return the lowest of the optima that four kicks lead to, or the present one."""
    best = (p, base, rss)
    if p.shape[0] < 3:
        return best
    inverse, good = curvature(curve, p, base, 6.0)
    for kick in (4.0, -4.0, 12.0, -12.0):
        if not good:
            break
        found = kicked(curve, p, base, inverse, rules.variance, kick)
        if found[2] < best[2]:
            best = found
    return best


@njit(nogil=True, cache=True, error_model="numpy")
def _freedom(curve: Curve, p: Floats) -> int:
    """Return the degrees of freedom that a fit leaves, 1 at least."""
    lost: int = PER * p.shape[0] + (0, 1, 2, 2)[curve.kind]
    return max(1, curve.x.size - lost)


@njit(nogil=True, cache=True, error_model="numpy")
def _overshot(
    curve: Curve, p: Floats, base: Floats, ladder: Ladder, rules: Rules, level: float
) -> tuple[Floats, Floats, float]:
    """Add up to three components that do not pay for themselves, until together they do."""
    q, b, least = p, base, math.inf
    for _ in range(3):
        if q.shape[0] >= rules.most:
            break
        _, r = _more(curve, _residual(curve, q, b), q, ladder, rules, 0.8 * rules.penalty)
        if r.shape[0] == q.shape[0]:
            break
        q, b, rss, _ = _refitted(curve, r, b, rules)
        q, b, rss = _best_kick(curve, q, b, rss, rules)
        least = min(least, rss / _freedom(curve, q))
        if rss / rules.variance + rules.penalty * q.shape[0] < level:
            break
    return q, b, least


@njit(nogil=True, cache=True, error_model="numpy")
def polish(curve: Curve, p: Floats, base: Floats, small: float) -> tuple[float, bool]:
    """Fit to the last digits, in place; return rss and whether it converged.

    Once rss cannot tell two steps apart, undamped Gauss-Newton steps go on while they shrink.
    """
    rss, iterations = fit(curve, p, base, Effort(9.0, 300, small, math.inf, -1))
    size = PER * p.shape[0] + (0, 1, 2, 2)[curve.kind]
    rows, residual, step = np.zeros((size, curve.x.size)), np.empty(curve.x.size), np.empty(size)
    length, q, other = math.inf, p.copy(), base.copy()
    for _ in range(12):
        rows_of(curve, q, other, 9.0, rows, residual)
        gram = np.dot(rows, rows.T)
        scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), 1e-300))
        matrix = gram * scale * scale.reshape(-1, 1)
        if size == 0 or not solve(matrix, np.dot(rows, residual) * scale, step):
            break
        new = np.dot(step, np.dot(gram * scale * scale.reshape(-1, 1), step))
        rss2 = np.dot(residual, residual)
        if not (new < length and rss2 <= rss * (1.0 + 1e-9)):
            break
        p[:], base[:], rss, length = q, other, rss2, new
        if new <= 1e-28 * rss:
            break
        _stepped(curve, p, base, step * scale, q, other)
    return rss, iterations >= 0


@njit(nogil=True, cache=True, error_model="numpy")
def profile(curve: Curve, p: Floats, base: Floats, which: int, shift: float, rise: float) -> float:
    """Return how far a parameter moves, from `shift` on, until the best rss has risen by `rise`.

    The root of the rise is nearly linear in the parameter, so secants find it; NaN if it does not
    rise that far within 8 shifts.
    """
    rss, _ = fit(curve, p.copy(), base.copy(), Effort(9.0, 60, 1e-4 * rise, math.inf, -1))
    before, level, at = 0.0, 0.0, shift
    q, other = p.copy(), base.copy()
    for _ in range(8):
        k, part = which // PER, which % PER
        q[k, part] = p[k, part] + at
        rss2, _ = fit(curve, q, other, Effort(9.0, 60, 1e-4 * rise, math.inf, which))
        root = math.sqrt(max(rss2 - rss, 0.0) / rise)
        if abs(root - 1.0) < 5e-3:
            return at
        slope = (root - level) / (at - before)
        before, level = at, root
        if not abs(slope * shift) > 1e-6:
            return math.nan
        at += min(max((1.0 - root) / slope / shift, -0.7 * at / shift), 3.0) * shift
        if abs(at) > 8.0 * abs(shift):
            return math.nan
    return at
