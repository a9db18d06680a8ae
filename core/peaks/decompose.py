"""A batch of signals as sums of Gaussians: how many, where, how wide, and how sure."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.peaks import uncertainty
from core.peaks._fit_kernels import PER
from core.peaks.baselines import Fitted, choose
from core.peaks.decomposition import Decomposition, empty
from core.peaks.one import KINDS
from core.peaks.params import DecomposeParams, Status
from core.peaks.search import freedom

Floats = NDArray[np.float64]
SHORTEST = 8
LARGEST = 1e150
_EPSILON = float(np.finfo(np.float64).eps)


def decompose(
    x: ArrayLike | None, signals: ArrayLike, params: DecomposeParams | None = None
) -> Decomposition:
    """Decompose each signal of a batch into positive Gaussians on a baseline.

    Neither their number nor starting values are asked for. Significant minima of the second
    derivative over a ladder of scales are seeds; a Levenberg-Marquardt fit in logarithms of height
    and width, with heights projected out, alternates with taking away, merging, adding and
    splitting components while rss / variance + n (3 ln samples + penalty) falls.

    Parameters
    ----------
    x : (sample,) or (series, sample) array_like, or None
        Abscissae, in any order and spacing; by default 0, 1, 2 and so on.
    signals : (series, sample) array_like
        In any units.
    params : DecomposeParams, optional
        Baseline, penalty, noise, intervals and caps.

    Returns
    -------
    Decomposition
        A series depends on its own samples alone. One that cannot be decomposed says why.

    Raises
    ------
    ValueError
        If the shapes do not fit or the values are no real numbers.

    References
    ----------
    G. Golub, V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate, SIAM J. Numer. Anal. 10 (1973); L. Kaufman, BIT 15 (1975);
    J. Chen, Z. Chen, Extended Bayesian information criteria, Biometrika 95 (2008).

    Examples
    --------
    >>> x = np.linspace(0, 10, 500)
    >>> signal = 3 * np.exp(-0.5 * ((x - 4) / 0.5) ** 2) + 2 * np.exp(-0.5 * ((x - 6) / 0.7) ** 2)
    >>> noise = np.random.default_rng(0).normal(scale=0.05, size=500)
    >>> found = decompose(x, [100 + signal + noise])
    >>> int(found.n_components[0]), found.center[0, :2].round(1), found.sigma[0, :2].round(1)
    (2, array([4., 6.]), array([0.5, 0.7]))
    """
    p = params or DecomposeParams()
    batch, axes = _checked(x, signals)
    result = empty(batch.shape[0], p.max_components)
    for i in range(batch.shape[0]):
        axis = axes if axes.ndim == 1 else axes[i]
        result.status[i] = _screen(axis, batch[i])
        if result.status[i] == Status.OK:
            _one(axis, batch[i], p, result, i)
    return result


def _checked(x: ArrayLike | None, signals: ArrayLike) -> tuple[Floats, Floats]:
    given = np.asarray(signals)
    if given.ndim != 2 or (given.size and given.dtype.kind not in "buif"):
        form = f"{given.dtype} of shape {given.shape}"
        raise ValueError(f"signals must be (series, sample) real numbers, got {form}")
    axes = np.arange(given.shape[1]) if x is None else np.asarray(x)
    fits = axes.shape in (given.shape, given.shape[1:])
    if not fits or (axes.size and axes.dtype.kind not in "buif"):
        raise ValueError(
            f"x must be real numbers of shape {given.shape[1:]} or {given.shape}, "
            f"got {axes.dtype} of shape {axes.shape}"
        )
    return given.astype(np.float64), axes.astype(np.float64)


def _screen(x: Floats, signal: Floats) -> Status:
    if not (np.abs(signal) <= LARGEST).all():
        return Status.NOT_FINITE
    if signal.size < SHORTEST:
        return Status.TOO_SHORT
    if not (np.abs(x) <= LARGEST).all() or not np.ptp(x) > 0.0:
        return Status.BAD_X
    return Status.OK


def _one(x: Floats, signal: Floats, params: DecomposeParams, out: Decomposition, i: int) -> None:
    order = np.argsort(x, kind="stable")
    axis, values = x[order], signal[order]
    if _is_straight(axis, values):
        out.status[i] = Status.STRAIGHT
        return
    one = choose(axis, values, params)
    _write(one, params, out, i)


def _is_straight(x: Floats, y: Floats) -> bool:
    """Tell whether a line from the first to the last sample leaves round-off."""
    with np.errstate(over="ignore", under="ignore"):
        slope = (y[-1] / 2 - y[0] / 2) / (x[-1] - x[0]) * 2
        off = np.abs(y - y[0] - slope * (x - x[0])).max()
        size = np.abs(y).max() + np.abs(slope) * np.abs(x).max()
    return bool(off <= 16.0 * _EPSILON * size)


def _told(one: Fitted) -> Status:
    if one.found.settled and not one.known.all():
        return Status.NOT_DETERMINED
    return Status.OK if one.found.settled and one.found.converged else Status.NOT_SETTLED


def _write(one: Fitted, params: DecomposeParams, out: Decomposition, i: int) -> None:
    curve, found, units = one.curve, one.found, one.units
    count = found.components.shape[0]
    variance = found.rss / freedom(curve, found.components)
    out.n_components[i] = count
    out.rss[i] = found.rss * units.scale**2
    out.noise[i] = np.sqrt(variance) * units.scale
    out.difference_noise[i] = found.difference_noise * units.scale
    out.lag1[i] = found.noise.lag1
    out.correlated[i] = found.noise.correlated
    out.lack_of_fit[i] = found.lack_of_fit
    out.status[i] = _told(one)
    heights = units.scale * np.exp(found.components[:, 0])
    widths = units.step * np.exp(found.components[:, 2])
    out.amplitude[i, :count], out.sigma[i, :count] = heights, widths
    out.center[i, :count] = units.origin + units.step * found.components[:, 1]
    limits, out.profiled[i] = uncertainty.intervals(
        curve, found, one.covariance, one.variance, params
    )
    errors = np.sqrt(np.maximum(np.diag(one.covariance), 0.0))[: PER * count].reshape(-1, PER)
    errors[~one.known], limits[~one.known] = np.nan, np.nan
    out.amplitude_error[i, :count] = heights * errors[:, 0]
    out.center_error[i, :count] = units.step * errors[:, 1]
    out.sigma_error[i, :count] = widths * errors[:, 2]
    with np.errstate(over="ignore"):
        out.amplitude_interval[i, :count] = units.scale * np.exp(limits[:, 0])
        out.sigma_interval[i, :count] = units.step * np.exp(limits[:, 2])
    out.center_interval[i, :count] = units.origin + units.step * limits[:, 1]
    values, deviations = units.baseline(
        curve.kind, found.base, one.covariance[PER * count :, PER * count :]
    )
    out.baseline[i, : values.size] = values
    out.baseline_error[i, : values.size] = deviations
    out.baseline_kind[i] = curve.kind
    out.baseline_origin[i] = units.reference if curve.kind == KINDS["exponential"] else 0.0
