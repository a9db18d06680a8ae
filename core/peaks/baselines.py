"""The fit of one signal on a baseline, and the choice of one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.peaks._fit_kernels import Curve, determined
from core.peaks.one import FLOOR, KINDS, Found, find
from core.peaks.params import Baseline, DecomposeParams
from core.peaks.search import freedom
from core.peaks.uncertainty import Units

Floats = NDArray[np.float64]
_WILD = 3.0
"""Error of a logarithm, or of a center over the width, from which on the signal tells no more than
that something is there."""
_WIDE = 4.0
"""A component wider than the span over this may stand for a baseline."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A signal's components on one baseline."""

    curve: Curve
    units: Units
    found: Found
    variance: float
    """Of the noise as the components see it, in the curve's units."""
    covariance: Floats
    """Of the parameters."""
    known: NDArray[np.bool_]
    """(component,) array: those that are determined."""


def choose(x: Floats, y: Floats, params: DecomposeParams) -> Fitted:
    """Fit a signal on the baseline that is asked for; of rising x.

    On `auto` it is a constant, unless the result speaks for something else.
    """
    if params.baseline != "auto":
        return _fitted(x, y, params, params.baseline)
    plain = _fitted(x, y, params, "constant")
    if not _is_doubtful(plain):
        return plain
    some = [plain, *(_fitted(x, y, params, kind) for kind in ("linear", "exponential"))]
    squares = [(one.units.scale / plain.units.scale) ** 2 for one in some]
    variances = [one.variance * square for one, square in zip(some, squares, strict=True)]
    variance = max(min(variances), FLOOR**2)
    penalty = 3.0 * math.log(x.size) + params.penalty

    def level(i: int) -> float:
        found, lines = some[i].found, min(some[i].curve.kind, 2)
        used = penalty * len(found.components) + math.log(x.size) * lines
        return found.rss * squares[i] / variance + used

    return some[min(range(len(some)), key=level)]


def _fitted(x: Floats, y: Floats, params: DecomposeParams, baseline: Baseline) -> Fitted:
    units = Units.of(x, y, baseline)
    steps = (x - x[0]) / units.step
    index = np.arange(x.size, dtype=np.float64)
    uniform = bool(np.abs(steps - index).max() < 1e-9 * x.size)
    values = (y - units.offset) / units.scale
    curve = Curve(index if uniform else steps, values, KINDS[baseline], uniform)
    known = None if params.noise is None else params.noise / units.scale
    found = find(curve, params, known)
    variance = found.rss / freedom(curve, found.components) if known is None else known**2
    variance *= found.noise.inflation
    covariance = found.covariance * variance
    sure = determined(curve, found.components, covariance, _WILD)
    return Fitted(
        curve=curve, units=units, found=found, variance=variance, covariance=covariance, known=sure
    )


def _is_doubtful(one: Fitted) -> bool:
    """Whether another baseline may do better: the fit lacks, or a component may stand for one."""
    x, p = one.curve.x, one.found.components
    outside = (p[:, 1] < x[0]) | (p[:, 1] > x[-1])
    wide = np.exp(p[:, 2]) > (x[-1] - x[0]) / _WIDE
    bad = one.found.lack_of_fit or one.found.noise.correlated or not one.found.converged
    bad = bad or not one.found.settled
    return bool(bad or not one.known.all() or (outside | wide).any())
