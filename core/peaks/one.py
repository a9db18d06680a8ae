"""One signal, in units in which its samples lie 1 apart and its values span about 1."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.noise import autocorrelation, is_white, noise_level
from core.peaks._fit_kernels import (
    Curve,
    Effort,
    Rules,
    fit,
    linearised,
    residual_of,
    stepped,
)
from core.peaks._seed_kernels import find_seeds, seeded
from core.peaks.ladder import ladder_for
from core.peaks.params import Baseline, DecomposeParams
from core.peaks.search import Search, State, freedom

Floats = NDArray[np.float64]
KINDS: dict[Baseline, int] = {"none": 0, "constant": 1, "linear": 2, "exponential": 3}
"""Baselines that can be fitted, as results number them."""
FLOOR = 1e-5
"""The noise is taken to be at least this part of the signal's range: below, the criterion would
count what the arithmetic of the search leaves."""
_SUSPICIOUS, _CONTAMINATED = 1.25, 4.0
"""Noise at a distance of three samples over that at one: of white noise 1, of correlated noise
more; far more is smoothed noise, or no noise but narrow components."""
_WHITE, _SURE = 0.1, 1.5
"""Autocorrelation up to which noise passes for white, and its standard deviations beyond that."""
_LAGS, _MOST = 50, 100.0
"""Distances at which noise is correlated, and the most that this may inflate its variance."""
_FARTHEST, _LONG = 1000, 4.5
"""Longest distance at which residuals are compared, and standard deviations that are no chance."""
_WIDER = 2.0
"""Variance of correlated residuals over that which their differences tell: of noise about 1."""
_PASSES = 4
_DECAYS = (0.1, -0.1, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 8.0, -8.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise:
    """What is known of the noise."""

    variance: float
    """As components see it: at low frequencies."""
    inflation: float
    """That over the variance of the residuals."""
    correlated: bool
    lag1: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Components, baseline and what belongs to them."""

    components: Floats
    """(component, 3) array: log height, center, log width."""
    base: Floats
    rss: float
    covariance: Floats
    """(parameter, parameter) array: inverse of the products of the model's derivatives."""
    noise: Noise
    difference_noise: float
    lack_of_fit: bool
    settled: bool
    """The search ended by itself."""
    converged: bool
    """So did the last fit."""


def find(curve: Curve, params: DecomposeParams, known: float | None) -> Found:
    """Find the components of one signal; `known` is its noise in the curve's units, if told."""
    ladder = ladder_for(curve.x.size)
    penalty = 3.0 * math.log(curve.x.size) + params.penalty
    near, far = _at_distance(curve.y, 1), _at_distance(curve.y, 3)
    floor = _floor(curve.y, near)
    first = known if known is not None else max(near, floor)
    variance = first**2
    if known is None and _SUSPICIOUS * near < far < _CONTAMINATED * near:
        variance = max(3.0 * far**2, variance)
    hunt = Search(curve, ladder, Rules(variance, penalty, params.max_components, params.max_rounds))
    state = _begun(hunt)
    noise = _noise(curve, state, state.rss / freedom(curve, state.components), first, floor)
    if known is None and noise.correlated and far >= _CONTAMINATED * near:
        # Components in noise so low would have left it behind: it is smoothed noise.
        stride, level = _plateau(curve.y)
        hunt.rules = hunt.rules._replace(variance=max(stride * level**2, first**2))
        state = _begun(hunt)
        noise = _noise(curve, state, state.rss / freedom(curve, state.components), first, floor)
    for _ in range(_PASSES):
        rules = hunt.rules
        hunt.rules = rules._replace(variance=noise.variance if known is None else first**2)
        state, variance, settled = hunt.run(hunt.levelled(state))
        noise = _noise(curve, state, variance, first, floor)
        if known is not None or abs(noise.variance / hunt.rules.variance - 1.0) < 0.02:
            break
    p, base, rss, converged = polished(curve, state, 1e-9 * hunt.rules.variance)
    _, _, covariance, good = linearised(curve, p, base, 9.0)
    residual = residual_of(curve, p, base, 9.0)
    near = _at_distance(residual, 1)
    return Found(
        components=p,
        base=base,
        rss=rss,
        covariance=covariance if good else np.full_like(covariance, np.nan),
        noise=noise,
        difference_noise=near,
        lack_of_fit=_lack(
            residual, rss / freedom(curve, p) / max(near, known or floor) ** 2, noise
        ),
        settled=settled,
        converged=converged,
    )


def _begun(hunt: Search) -> State:
    """Return where the search comes from the seeds at once, by its rules."""
    curve, rules = hunt.curve, hunt.rules
    noise = math.sqrt(rules.variance)
    seeds, count = find_seeds(curve.y, hunt.ladder, noise, 4.0, 4.8)
    start = seeded(curve.x, curve.y, seeds[: min(count, rules.most)], 3.0 * noise)
    return hunt.descend(hunt.fitted(*_started(curve, start, rules)))


def polished(curve: Curve, state: State, small: float) -> tuple[Floats, Floats, float, bool]:
    """Fit to the last digits; return components by center, baseline, rss, and if it converged.

    Once rss cannot tell two steps apart, undamped Gauss-Newton steps go on while they shrink.
    """
    p, base = state.components[np.argsort(state.components[:, 1])], state.base.copy()
    rss, iterations = fit(curve, p, base, Effort(9.0, 300, small, math.inf, -1))
    length, q, other = math.inf, p, base
    for _ in range(12):
        rss2, step, inverse, good = linearised(curve, q, other, 9.0)
        deviations = np.sqrt(np.maximum(np.diag(inverse), 1e-300))
        ratio = step / deviations
        largest = float(np.abs(ratio).max(initial=0.0))
        new = float(np.square(ratio).sum()) if largest < 1e150 else math.inf
        if not good or not (new < length and rss2 <= rss * (1.0 + 1e-9)):
            break
        p, base, rss, length = q, other, rss2, new
        if new <= 1e-28 * rss:
            break
        q, other = stepped(curve, q, other, step)
    return p, base, rss, iterations >= 0


def _started(curve: Curve, seeds: Floats, rules: Rules) -> tuple[Floats, Floats]:
    """Return seeds and a first baseline; the decay of an exponential is the best of twelve."""
    if curve.kind != KINDS["exponential"]:
        return seeds, np.zeros(2)
    best: tuple[float, Floats, Floats] = (math.inf, seeds, np.zeros(2))
    for decay in _DECAYS:
        shape = np.exp(-decay * curve.x / curve.x[-1])
        height = float((curve.y * shape).sum() / np.square(shape).sum())
        base = np.array([height, decay / curve.x[-1]])
        p = seeds.copy()
        near = np.searchsorted(curve.x, p[:, 1]).clip(0, curve.x.size - 1)
        rest = (curve.y - base[0] * shape)[near]
        p[:, 0] = np.log(np.maximum(rest, 3.0 * math.sqrt(rules.variance)))
        rss, _ = fit(curve, p, base, Effort(6.0, 12, rules.variance, math.inf, -1))
        if rss < best[0]:
            best = (rss, p, base)
    return best[1], best[2]


def _floor(y: Floats, near: float) -> float:
    """Return the least noise that is believed: of values in steps, that of rounding to them."""
    floor = FLOOR * float(np.ptp(y))
    if near > floor:
        return floor
    step = float(np.diff(np.unique(y)).min(initial=math.inf))
    return max(floor, step / math.sqrt(12.0)) if math.isfinite(step) else floor


def _at_distance(y: Floats, stride: int) -> float:
    level = float(noise_level(y[None], stride)[0])
    return level if math.isfinite(level) else 0.0


def _plateau(y: Floats) -> tuple[int, float]:
    """Return the distance from which on correlated noise is as if independent, and its deviation.

    By differences at growing distances, until they grow no more.
    """
    stride, level = 3, _at_distance(y, 3)
    while 8 * stride < y.size:
        wider = _at_distance(y, 2 * stride)
        if wider < _SUSPICIOUS * level:
            break
        stride, level = 2 * stride, wider
    return stride, level


def _is_correlated(residual: Floats, lag1: float) -> bool:
    """Whether residuals follow one another, or avoid one another, in their noise.

    What the model lacks makes lag1 large as well, but it is smooth: differences show the same noise
    at a distance of three samples as of one, or white noise below what is narrow.
    """
    if abs(lag1) < _WHITE + _SURE / math.sqrt(residual.size):
        return False
    if lag1 < 0.0:
        return True
    near, far = _at_distance(residual, 1), _at_distance(residual, 3)
    least = 1.0 + min(0.5 * lag1, _SUSPICIOUS - 1.0)
    white_below = far >= _CONTAMINATED * near and is_white(residual)
    return far > least * near and not white_below


def _noise(curve: Curve, state: State, variance: float, first: float, floor: float) -> Noise:
    """Tell the noise by the residuals: their variance and, where it is correlated, its sum."""
    residual = residual_of(curve, state.components, state.base, 9.0)
    lags = autocorrelation(residual, min(_LAGS, residual.size // 4))
    lag1 = float(lags[0]) if lags.size else 0.0
    if variance <= 2.0 * floor**2 or not _is_correlated(residual, lag1):
        # What the fit lacks is not noise.
        usable = variance if variance < 1.7 * first**2 else first**2
        return Noise(variance=max(usable, floor**2), inflation=1.0, correlated=False, lag1=lag1)
    if lag1 < 0.0:
        usable = max(variance, first**2, floor**2)
        return Noise(variance=usable, inflation=1.0, correlated=True, lag1=lag1)
    small = np.flatnonzero(lags < 2.0 / math.sqrt(residual.size))
    upto = small[0] if small.size else lags.size
    inflation = min(1.0 + 2.0 * float(lags[:upto].sum()), _MOST)
    return Noise(variance=inflation * variance, inflation=inflation, correlated=True, lag1=lag1)


def _lack(residual: Floats, spread: float, noise: Noise) -> bool:
    """Whether the residuals spread more than the noise does, or follow one another."""
    size = residual.size
    if noise.correlated:
        return noise.lag1 > 0.0 and _wanders(residual)
    follows = noise.lag1 > _WHITE + 3.0 / math.sqrt(size) and spread > 0.1
    return spread > 1.2 + 6.0 * math.sqrt(2.0 / size) or follows


def _wanders(residual: Floats) -> bool:
    """Whether correlated residuals spread more than differences tell, or never forget.

    The correlations of such noise at long distances spread by Bartlett's formula. See G. Box,
    G. Jenkins, Time series analysis (1970), section 2.1.6.
    """
    size = residual.size
    stride, level = _plateau(residual)
    spread = float(np.square(residual).sum()) / size
    wide = spread > (_WIDER + 6.0 * math.sqrt(2.0 * stride / size)) * level**2
    if wide or 8 * stride >= size:
        return True
    lags = autocorrelation(residual, min(_FARTHEST, size // 2))
    small = np.flatnonzero(lags < 2.0 / math.sqrt(size))
    upto = int(small[0]) if small.size else lags.size
    chance = math.sqrt((1.0 + 2.0 * float(np.square(lags[:upto]).sum())) / size)
    return bool(np.abs(lags[2 * upto :]).max(initial=0.0) > _LONG * chance)
