"""A batch of signals as sums of Gaussians: how many, where, how wide, and how sure."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.peaks import uncertainty
from core.peaks._fit_kernels import PER, Curve
from core.peaks.decomposition import Decomposition, empty
from core.peaks.one import KINDS, Found, find
from core.peaks.params import DecomposeParams, Status
from core.peaks.search import freedom
from core.peaks.uncertainty import Units

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
    bend = np.abs(np.diff(values, 2)).max()
    if bend <= 16.0 * _EPSILON * np.abs(values).max():
        out.status[i] = Status.STRAIGHT
        return
    units = Units.of(axis, values, params.baseline)
    steps = (axis - axis[0]) / units.step
    index = np.arange(axis.size, dtype=np.float64)
    uniform = bool(np.abs(steps - index).max() < 1e-9 * axis.size)
    curve = Curve(
        index if uniform else steps,
        (values - units.offset) / units.scale,
        KINDS[params.baseline],
        uniform,
    )
    known = None if params.noise is None else params.noise / units.scale
    found = find(curve, params, known)
    _write(curve, found, units, params, out, i)


def _write(
    curve: Curve, found: Found, units: Units, params: DecomposeParams, out: Decomposition, i: int
) -> None:
    count = found.components.shape[0]
    variance = found.rss / freedom(curve, found.components)
    out.status[i] = Status.OK if found.settled else Status.NOT_SETTLED
    out.n_components[i] = count
    out.rss[i] = found.rss * units.scale**2
    out.noise[i] = np.sqrt(variance) * units.scale
    out.difference_noise[i] = found.difference_noise * units.scale
    out.lag1[i] = found.noise.lag1
    out.correlated[i] = found.noise.correlated
    out.lack_of_fit[i] = found.lack_of_fit
    seen = variance if params.noise is None else (params.noise / units.scale) ** 2
    covariance = found.covariance * seen * found.noise.inflation
    limits, out.profiled[i] = uncertainty.intervals(
        curve, found, covariance, seen * found.noise.inflation, params
    )
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))[: PER * count].reshape(-1, PER)
    heights = units.scale * np.exp(found.components[:, 0])
    widths = units.step * np.exp(found.components[:, 2])
    out.amplitude[i, :count], out.sigma[i, :count] = heights, widths
    out.center[i, :count] = units.origin + units.step * found.components[:, 1]
    out.amplitude_error[i, :count] = heights * errors[:, 0]
    out.center_error[i, :count] = units.step * errors[:, 1]
    out.sigma_error[i, :count] = widths * errors[:, 2]
    with np.errstate(over="ignore"):
        out.amplitude_interval[i, :count] = units.scale * np.exp(limits[:, 0])
        out.sigma_interval[i, :count] = units.step * np.exp(limits[:, 2])
    out.center_interval[i, :count] = units.origin + units.step * limits[:, 1]
    values, deviations = units.baseline(
        curve.kind, found.base, covariance[PER * count :, PER * count :]
    )
    out.baseline[i, : values.size] = values
    out.baseline_error[i, : values.size] = deviations
