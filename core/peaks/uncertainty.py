"""Units of a signal, and the intervals of its components."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from core.peaks._fit_kernels import PER, Curve, Effort, bounds_of, fit, linearised, profile
from core.peaks.one import Found
from core.peaks.params import Baseline, DecomposeParams
from core.peaks.search import State, allowed, freedom, kicked

Floats = NDArray[np.float64]
_ILL = 0.05
"""Relative error of height or width, or of the center over the width, from which the curvature of
the likelihood at its top no longer tells its extent."""
_SOFT = 0.03
"""Standard deviations, as of `search.SOFT`: intervals look nearer by than the search does."""
_KICKS = (3.0, -3.0, 6.0, -6.0, 12.0, -12.0)
"""Standard deviations in the softest direction, from where other optima are looked for."""


class Units(NamedTuple):
    """Units of x and y in which a signal has steps of 1 and a range of about 1."""

    origin: float
    step: float
    offset: float
    scale: float
    reference: float
    """From which x an exponential baseline counts."""

    @classmethod
    def of(cls, x: Floats, y: Floats, baseline: Baseline) -> "Units":
        """Return those of a signal with rising x; no offset where no constant may take it up."""
        gaps, step = np.diff(x), float(x[-1] - x[0]) / (x.size - 1)
        if np.abs(gaps - step).max() >= 1e-9 * np.abs(x).max():
            middle = float(np.median(gaps))
            step = middle if middle > max(0.0, 1e-6 * float(gaps.max())) else step
        offset = float(np.median(y)) if baseline in ("constant", "linear") else 0.0
        first = float(x[0])
        reference = first if abs(first) > float(x[-1]) - first else 0.0
        return cls(first, step, offset, float(np.abs(y - offset).max()), reference)

    def baseline(self, kind: int, base: Floats, covariance: Floats) -> tuple[Floats, Floats]:
        """Return the baseline's coefficients on the user's x, and their standard errors."""
        if kind == 0:
            return np.empty(0), np.empty(0)
        if kind == 1:
            value = self.offset + self.scale * base[:1]
            return value, self.scale * np.sqrt(np.diag(covariance))
        rate = base[1] / self.step
        start = self.origin if kind == 2 else self.origin - self.reference
        shift = start / self.step
        if kind == 2:
            slope = self.scale * rate
            values = np.array([self.offset + self.scale * base[0] - slope * start, slope])
            change = self.scale * np.array([[1.0, -shift], [0.0, 1.0 / self.step]])
        else:
            with np.errstate(over="ignore", under="ignore"):
                height = self.scale * base[0] * np.exp(rate * start)
            values = np.array([height, rate])
            first = height / base[0] if base[0] else np.nan
            change = np.array([[first, height * shift], [0.0, 1.0 / self.step]])
        with np.errstate(all="ignore"):
            variance = np.diag(change @ covariance @ change.T)
        return values, np.sqrt(np.maximum(variance, 0.0))


def _errors(p: Floats, covariance: Floats) -> Floats:
    return np.sqrt(np.maximum(np.diag(covariance), 0.0))[: p.size].reshape(-1, PER)


def intervals(
    curve: Curve, found: Found, covariance: Floats, variance: float, params: DecomposeParams
) -> tuple[Floats, bool]:
    """Return (component, 3, 2) ends in log height, center and log width; and if they are profiled.

    By the curvature in those parameters, which keeps heights and widths positive; by the profile
    where a component is ill determined, with other optima that fit as well, unless that takes more
    work than a search may. Within the bounds of the search. See D. Bates, D. Watts, Nonlinear
    regression analysis (1988), chapter 6.
    """
    p = found.components
    errors = _errors(p, covariance)
    quantile = float(stdtrit(freedom(curve, p), 0.5 + 0.5 * params.confidence))
    ends = p[:, :, None] + quantile * errors[:, :, None] * np.array([-1.0, 1.0])
    relative = errors / np.exp(p[:, 2:3] * np.array([0.0, 1.0, 0.0]))
    wanted = params.intervals == "auto" and bool((relative > _ILL).any())
    profiled = None
    if wanted and np.isfinite(errors).all() and (errors > 0.0).all():
        which = np.flatnonzero((relative > _ILL).any(axis=1).repeat(PER))
        profiled = _profiled(curve, found, covariance, quantile**2 * variance, which, ends)
    if profiled is not None:
        ends = profiled
        _take_in_other_optima(curve, found, variance, quantile, ends)
    limits = bounds_of(curve, p)
    np.clip(ends[:, 1:], limits[:, ::2, None], limits[:, 1::2, None], out=ends[:, 1:])
    return ends, profiled is not None


def _profiled(
    curve: Curve, found: Found, covariance: Floats, rise: float, wanted: NDArray[np.intp],
    ends: Floats,
) -> Floats | None:  # fmt: skip
    """Return ends where the best rss rises so far, of some parameters; None if the work is done."""
    p, new, work = found.components, ends.copy(), 0.0
    for which in map(int, wanted):
        k, part = divmod(which, PER)
        tangent = covariance[which] / covariance[which, which]
        for side in range(2):
            shift = float(ends[k, part, side] - p[k, part])
            moved, done = profile(curve, p, found.base, tangent, which, shift, rise, found.rss)
            work += done
            if work > allowed(curve.x.size):
                return None
            if math.isfinite(moved):
                new[k, part, side] = p[k, part] + moved
    return new


def _take_in_other_optima(
    curve: Curve, found: Found, variance: float, quantile: float, ends: Floats
) -> None:
    """Widen intervals, in place, to other optima that fit as well and the profile went round."""
    state = State(components=found.components, base=found.base, rss=found.rss, level=math.inf)
    for kick in _KICKS:
        start = kicked(curve, state, found.covariance, variance, kick, _SOFT)
        if start is None:
            continue
        p, base = start
        rss, _ = fit(curve, p, base, Effort(9.0, 100, 1e-3 * variance, math.inf, -1))
        left = quantile**2 - (rss - found.rss) / variance
        if not 0.0 < left < math.inf:
            continue
        p = p[np.argsort(p[:, 1])]
        _, _, covariance, good = linearised(curve, p, base, 9.0)
        spread = np.sqrt(np.maximum(np.diag(covariance), 0.0) * variance * min(left, quantile**2))
        reach = spread[: p.size].reshape(p.shape)
        if good:
            ends[..., 0] = np.minimum(ends[..., 0], p - reach)
            ends[..., 1] = np.maximum(ends[..., 1], p + reach)
