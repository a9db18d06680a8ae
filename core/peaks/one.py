"""One signal, in units in which its samples lie 1 apart and its values span about 1."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.noise import noise_level
from core.peaks._kernels import (
    PER,
    Curve,
    Effort,
    Rules,
    curvature,
    find_seeds,
    fit,
    polish,
    rows_of,
    search,
    seeded,
)
from core.peaks.ladder import ladder_for
from core.peaks.params import Baseline, DecomposeParams

Floats = NDArray[np.float64]
KINDS: dict[Baseline, int] = {"none": 0, "constant": 1, "linear": 2, "exponential": 3}
_FLOOR = 1e-5
"""The noise is taken to be at least this part of the signal's range: below, the criterion would
count what the arithmetic of the search leaves."""
_SUSPICIOUS, _CONTAMINATED = 1.25, 4.0
"""Noise at a distance of three samples over that at one: of white noise 1, of correlated noise
more; far more is no noise but narrow components."""
_WHITE = 0.1
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


def find(curve: Curve, params: DecomposeParams, known: float | None) -> Found:
    """Find the components of one signal; `known` is its noise in the curve's units, if told."""
    ladder = ladder_for(curve.x.size)
    penalty = 3.0 * math.log(curve.x.size) + params.penalty
    floor = _floor(curve.y)
    first = known if known is not None else max(_at_distance(curve.y, 1), floor)
    noise = Noise(variance=first**2, inflation=1.0, correlated=False, lag1=0.0)
    if known is None and _ratio(curve.y) > _SUSPICIOUS:
        noise = Noise(
            variance=3.0 * _at_distance(curve.y, 3) ** 2, inflation=1.0, correlated=True, lag1=0.0
        )
    rules = Rules(noise.variance, penalty, params.max_components, params.max_rounds)
    seeds, count = find_seeds(curve.y, ladder, math.sqrt(rules.variance), 4.0, 4.8)
    count = min(count, params.max_components)
    p, base = _started(curve, seeded(curve, curve.y, seeds[:count], rules), rules)
    for _ in range(_PASSES):
        p, base, variance, settled = search(curve, p, base, ladder, rules)
        noise = _noise(curve, p, base, variance, first, floor)
        variance = first**2 if known is not None else noise.variance
        if abs(variance / rules.variance - 1.0) < 0.02:
            break
        rules = Rules(variance, penalty, params.max_components, params.max_rounds)
    p = p[np.argsort(p[:, 1])]
    rss, converged = polish(curve, p, base, 1e-9 * rules.variance)
    covariance, good = curvature(curve, p, base, 9.0)
    return Found(
        components=p,
        base=base,
        rss=rss,
        covariance=covariance if good else np.full_like(covariance, np.nan),
        noise=noise,
        difference_noise=float(noise_level(_residual(curve, p, base)[None])[0]),
        lack_of_fit=_lack(curve, p, base, rss, noise, known or floor),
        settled=settled and converged,
    )


def freedom(curve: Curve, p: Floats) -> int:
    """Return the degrees of freedom that a fit leaves, 1 at least."""
    lost: int = PER * p.shape[0] + (0, 1, 2, 2)[curve.kind]
    return max(1, curve.x.size - lost)


def _started(curve: Curve, seeds: Floats, rules: Rules) -> tuple[Floats, Floats]:
    """Return seeds and a first baseline; the decay of an exponential is the best of twelve."""
    if curve.kind != KINDS["exponential"]:
        return seeds, np.zeros(2)
    best: tuple[float, Floats, Floats] = (math.inf, seeds, np.zeros(2))
    for decay in _DECAYS:
        shape = np.exp(-decay * curve.x / curve.x[-1])
        base = np.array([curve.y @ shape / (shape @ shape), decay / curve.x[-1]])
        p = seeds.copy()
        near = np.searchsorted(curve.x, p[:, 1]).clip(0, curve.x.size - 1)
        rest = (curve.y - base[0] * shape)[near]
        p[:, 0] = np.log(np.maximum(rest, 3.0 * math.sqrt(rules.variance)))
        rss, _ = fit(curve, p, base, Effort(6.0, 12, rules.variance, math.inf, -1))
        if rss < best[0]:
            best = (rss, p, base)
    return best[1], best[2]


def _floor(y: Floats) -> float:
    """Return the least noise that is believed: of values in steps, that of rounding to them."""
    floor = _FLOOR * float(np.ptp(y))
    if _at_distance(y, 1) > floor:
        return floor
    step = float(np.diff(np.unique(y)).min(initial=math.inf))
    return max(floor, step / math.sqrt(12.0)) if math.isfinite(step) else floor


def _at_distance(y: Floats, stride: int) -> float:
    level = float(noise_level(y[None], stride)[0])
    return level if math.isfinite(level) else 0.0


def _ratio(values: Floats) -> float:
    """Return the noise at a distance of three samples over that at one, 1 if that tells nothing."""
    near, far = _at_distance(values, 1), _at_distance(values, 3)
    ratio = far / near if near > 0.0 else 1.0
    return ratio if ratio < _CONTAMINATED else 1.0


def _residual(curve: Curve, p: Floats, base: Floats) -> Floats:
    residual = np.empty(curve.x.size)
    rows_of(curve, p, base, 9.0, np.empty((PER * p.shape[0] + 2, curve.x.size)), residual)
    return residual


def _noise(
    curve: Curve, p: Floats, base: Floats, variance: float, first: float, floor: float
) -> Noise:
    """Tell the noise by the residuals: their variance and, where it is correlated, its sum."""
    residual = _residual(curve, p, base)
    lags = _autocorrelation(residual)
    lag1 = float(lags[0]) if lags.size else 0.0
    if lag1 > _WHITE and _ratio(residual) > _SUSPICIOUS:
        small = np.flatnonzero(lags < 2.0 / math.sqrt(residual.size))
        upto = small[0] if small.size else lags.size
        inflation = min(1.0 + 2.0 * float(lags[:upto].sum()), 25.0)
        return Noise(variance=inflation * variance, inflation=inflation, correlated=True, lag1=lag1)
    # What the fit lacks is not noise.
    usable = variance if variance < 1.7 * first**2 else first**2
    return Noise(variance=max(usable, floor**2), inflation=1.0, correlated=False, lag1=lag1)


def _autocorrelation(residual: Floats) -> Floats:
    most = min(50, residual.size // 4)
    total = float(residual @ residual)
    if total <= 0.0:
        return np.zeros(most)
    padded = np.concatenate([residual, np.zeros(most)])
    lags: Floats = np.correlate(padded, residual, "valid")[1:] / total
    return lags


def _lack(curve: Curve, p: Floats, base: Floats, rss: float, noise: Noise, least: float) -> bool:
    """Whether the residuals spread more than the noise does, or follow one another."""
    if noise.correlated:
        return False
    size = curve.x.size
    level = max(_at_distance(_residual(curve, p, base), 1), least)
    spread = rss / freedom(curve, p) / level**2
    follows = noise.lag1 > _WHITE + 3.0 / math.sqrt(size) and spread > 0.1
    return spread > 1.2 + 6.0 * math.sqrt(2.0 / size) or follows
