"""A break that is not sharp: the smoothly broken power law, started from the sharp fit."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from core.piecewise.fit import fit_piecewise, to_numbers

Floats = NDArray[np.float64]

_WIDTHS = (0.03, 0.1, 0.3, 1.0)
"""Values of delta from which the refinement starts."""
_DELTA = 1e-3, 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothBreak:
    """A smoothly broken power law, in the parameters of astropy's SmoothlyBrokenPowerLaw1D.

    f(x) = amplitude (x / x_break)^-alpha_1 {[1 + (x / x_break)^(1 / delta)] / 2}^((alpha_1 -
    alpha_2) delta)
    """

    amplitude: float
    """f at the break, in units of y."""
    x_break: float
    """In units of x."""
    alpha_1: float
    """Negative power below the break."""
    alpha_2: float
    """Negative power above the break."""
    delta: float
    """Width of the transition: about 2 delta decades of x, from 0.001 to 10."""
    se: Floats
    """(5,) array: standard errors of the above, in their order, by linearisation."""
    rss: float
    """Weighted sum of squared residuals of y."""
    n_obs: int
    """Samples used."""
    converged: bool
    """The refinement came to a stationary point: a local optimum."""

    def predict(self, x: ArrayLike) -> Floats:
        """Evaluate at x of any shape; at 0 in the limit, NaN below.

        Examples
        --------
        >>> x = np.geomspace(1, 100, 50)
        >>> fit_smooth_break(x, 1 / x + 1 / x**2).predict([1.0, 10.0]).round(6)
        array([2.  , 0.11])
        """
        place = to_numbers("x", x)
        with np.errstate(all="ignore"):
            law = (np.log(self.amplitude), np.log(self.x_break), self.alpha_1, self.alpha_2)
            return np.exp(_log_law(np.array([*law, np.log(self.delta)]), np.log(place)))


def fit_smooth_break(
    x: ArrayLike, y: ArrayLike, *, weights: ArrayLike | None = None, min_size: int = 3
) -> SmoothBreak:
    """Fit a smoothly broken power law to one series, without initial guesses.

    The exact break of log y along log x is the start; least squares in y refines it, from several
    widths of the transition, and the best is taken. It is a local optimum, as with any start.

    Parameters
    ----------
    x, y : (sample,) array_like
        x above 0; samples with y of 0 or below count in the refinement, not in the start. Those
        with NaN, or masked, are left out.
    weights : (sample,) array_like, optional
        1 / variance of y; 0 leaves a sample out.
    min_size : int, optional
        Samples that each side keeps in the start.

    Returns
    -------
    SmoothBreak
        The law and its errors.

    Raises
    ------
    ValueError
        If the arguments are not as above; if the start cannot be fitted, by `fit_piecewise`; or
        with 5 samples or fewer.

    References
    ----------
    The parametrisation is astropy's (`astropy.modeling.powerlaws.SmoothlyBrokenPowerLaw1D`).

    Examples
    --------
    >>> x = np.geomspace(1, 1000, 100)
    >>> law = fit_smooth_break(x, 3.0 * (x / 30) ** -0.5 / np.sqrt(0.5 + 0.5 * (x / 30) ** 4))
    >>> round(law.x_break, 6), round(law.alpha_1, 6), round(law.alpha_2, 6), round(law.delta, 6)
    (30.0, 0.5, 2.5, 0.25)
    """
    places, levels, w = _checked(x, y, weights)
    there = ~np.isnan(places) & ~np.isnan(levels) & (w > 0.0)
    y_scale, w_scale = (np.abs(a[there]).max(initial=0.0) or 1.0 for a in (levels, w))
    levels, w = levels / y_scale, w / w_scale
    with np.errstate(all="ignore"):
        logarithms = np.where(levels > 0.0, np.log(levels), np.nan)
        # The error of log y is that of y over y.
        sharp = fit_piecewise(
            places, logarithms, weights=w * levels**2, x_transform="log", min_size=min_size
        )
        if np.count_nonzero(there) <= 5:
            raise ValueError(f"{np.count_nonzero(there)} samples; more than 5 are needed")
        log_x, target, root = np.log(places[there]), levels[there], np.sqrt(w[there])
        start = [sharp.values[0, 1], np.log(sharp.breakpoints[0]), *-sharp.slopes]
        law = _refine(np.array(start), log_x, target, root)
        return replace(
            law,
            amplitude=float(law.amplitude * y_scale),
            se=law.se * np.array([y_scale, 1.0, 1.0, 1.0, 1.0]),
            rss=float(law.rss * w_scale * y_scale * y_scale),
        )


def _checked(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, ...]:
    """Return x, y and weights of one series as floats; say what is wrong with them."""
    places, levels = to_numbers("x", x), to_numbers("y", y)
    w = np.ones(levels.shape) if weights is None else to_numbers("weights", weights)
    if levels.ndim != 1:
        raise ValueError(f"y has shape {levels.shape}; one series, (sample,), is needed")
    for name, values in (("x", places), ("weights", w)):
        if values.shape != levels.shape:
            raise ValueError(
                f"{name} has shape {values.shape}; that of y, {levels.shape}, is needed"
            )
    if (w < 0.0).any() or np.isinf(w).any():
        raise ValueError(
            "weights are negative or infinite; give 1 / variance, or 0 or NaN to leave a sample out"
        )
    used = ~np.isnan(places) & ~np.isnan(levels) & (w > 0.0)
    if np.isinf(levels[used]).any():
        raise ValueError("y is infinite; mark such samples with NaN")
    if not (np.isfinite(places[used]) & (places[used] > 0.0)).all():
        raise ValueError("x has values of 0 or below, or infinite; a power law needs x above 0")
    return places, levels, w


def _refine(start: Floats, log_x: Floats, y: Floats, root: Floats) -> SmoothBreak:
    # At the break the sharp corner lies above or below the smooth curve, by 2^((a1 - a2) delta).
    unit = np.abs(y * root).max()
    low, high = np.log(_DELTA)
    bounds = (
        [-np.inf, log_x.min(), -np.inf, -np.inf, low],
        [np.inf, log_x.max(), np.inf, np.inf, high],
    )

    def residual(law: Floats) -> Floats:
        # As far above y, which is of magnitude 1, as its square allows.
        model = np.minimum(np.exp(_log_law(law, log_x)), 1e100)
        return np.asarray((model - y) * root / unit)

    best = None
    for delta in _WIDTHS:
        level = start[0] - (start[2] - start[3]) * delta * -np.log(2.0)
        law = np.array([level, *start[1:], np.log(delta)])
        law[1] = np.clip(law[1], *np.nextafter([bounds[0][1], bounds[1][1]], log_x.mean()))
        found = least_squares(residual, law, bounds=bounds, x_scale="jac", ftol=1e-12, xtol=1e-12)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    freedom = max(y.size - 5, 1)
    jacobian = np.asarray(best.jac, np.float64)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * (2.0 * best.cost / freedom)
    natural = np.exp(best.x[[0, 1, 4]])
    scale = np.array([natural[0], natural[1], 1.0, 1.0, natural[2]])
    return SmoothBreak(
        amplitude=float(natural[0]),
        x_break=float(natural[1]),
        alpha_1=float(best.x[2]),
        alpha_2=float(best.x[3]),
        delta=float(natural[2]),
        se=np.sqrt(np.diag(covariance)) * scale,
        rss=float(2.0 * best.cost * unit * unit),
        n_obs=int(y.size),
        converged=bool(best.success),
    )


def _log_law(law: Floats, log_x: Floats) -> Floats:
    """Logarithm of the law; parameters: log amplitude, log x_break, alpha 1, 2, log delta."""
    step, delta = log_x - law[1], np.exp(law[4])
    bend = np.logaddexp(0.0, step / delta) - np.log(2.0)
    return np.asarray(law[0] - law[2] * step + (law[2] - law[3]) * delta * bend)
