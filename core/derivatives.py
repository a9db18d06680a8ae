"""A signal's first and second derivative, by a smooth network and by Gaussian filters."""

import warnings
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import require_number
from core.form import FORM
from core.gaussian import derivative, smooth
from core.network import ConvergenceWarning, NetworkFit, NetworkParams, fit_network
from core.scale_space.gaps import fill_gaps
from core.stretches import means_of_stretches

Floats = NDArray[np.float64]
FEWEST = 16
"""Samples at different x that a network is fitted to."""
LARGEST = 1e100
"""A sample beyond this counts as missing: its square, by squares of x, must stay a number."""
LONGEST_GAP = 5
HELD_OUT = 5
"""Every fifth sample is held out to choose the smoothing."""
CLOSEST = 1e-100
"""Parts of the whole span that the samples of every fit must span."""
EVEN = 1e-3
"""How far steps of x may differ, as a part of their median, and count as even."""


class Status(IntEnum):
    """Whether there are derivatives, or why not."""

    FITTED = 0
    TOO_FEW = 1
    """Fewer than 16 samples at different x."""
    CONSTANT = 2
    """Every sample is the same: derivatives are 0, and there is nothing to fit."""
    CROWDED = 3
    """All x but a few lie at one place, beside the distance to those: too few are apart."""
    TOO_LARGE = 4
    """A derivative is larger than any number that a double holds."""


@dataclass(frozen=True, kw_only=True)
class DerivativeParams:
    """How the network and the filters are fitted."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    hidden: tuple[int, ...] = (24, 24)
    """Units of the network's hidden layers."""
    smoothing: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)
    """Weights of the network's mean squared weight; the one that tells held-out samples best is
    taken, and a single one without trial."""
    max_iterations: int = 500
    """Steps of the network's training at most; fewer are smoother too."""
    longest: int = 1024
    """A signal of more samples is fitted by the means of as many equal stretches."""
    seed: int = 0
    """Of the network's starting weights."""

    def __post_init__(self) -> None:
        NetworkParams(hidden=self.hidden, max_iterations=self.max_iterations, seed=self.seed)
        if not self.smoothing:
            raise ValueError("smoothing needs a weight or more")
        weights = (require_number("smoothing", weight, 0.0, 1e12) for weight in self.smoothing)
        object.__setattr__(self, "smoothing", tuple(weights))
        object.__setattr__(self, "hidden", tuple(self.hidden))
        require_number("longest", self.longest, FEWEST, 1e6)

    def network(self, l2: float) -> NetworkParams:
        """Return the network's own parameters."""
        return NetworkParams(
            hidden=self.hidden, l2=l2, max_iterations=self.max_iterations, seed=self.seed
        )


@dataclass(frozen=True, kw_only=True)
class Derivatives:
    """Values and derivatives at every sample, in the units of the signal and of x.

    NaN where x is none, and everywhere if the status says that there are none.
    """

    value: Floats
    """(sample,) array: the network; so are the next two."""
    first: Floats
    second: Floats
    gaussian_first: Floats
    """(sample,) array: by Gaussian filters; NaN if x is not even or gaps are long."""
    gaussian_second: Floats
    sigma: float
    """Of the filters, in samples."""
    smoothing: float
    """The weight that was taken."""
    held_out_error: float
    """Root mean squared error on the held-out samples; NaN without trial."""
    error: float
    """Root mean squared distance of the network from what it was fitted to."""
    iterations: int
    converged: bool
    """Training ended by itself, not at the last step that was allowed."""
    status: Status


def differentiate(
    x: ArrayLike, y: ArrayLike, params: DerivativeParams | None = None
) -> Derivatives:
    """Fit a smooth network to a signal, and differentiate it exactly.

    How smooth is decided by every fifth sample, which are held out first; noise that hangs together
    over several samples is followed too, and makes the derivatives rougher than they should be.
    The Gaussian estimate beside it is at the scale whose smoothed signal comes nearest to the
    network, so that the two differ in method and not in how smooth they are.

    Parameters
    ----------
    x, y : (sample,) array_like
        Positions and values; NaN, infinities and values beyond 1e100 are missing.
    params : DerivativeParams, optional
        How.

    Returns
    -------
    Derivatives

    Raises
    ------
    ValueError
        If x and y are not (sample,) arrays of one length.

    Examples
    --------
    >>> hours = np.linspace(0.0, 24.0, 97)
    >>> found = differentiate(hours, 5.0 * np.sin(hours / 3.0))
    >>> bool(np.abs(found.first - 5.0 / 3.0 * np.cos(hours / 3.0)).max() < 0.1)
    True
    """
    p = params or DerivativeParams()
    place, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if place.ndim != 1 or place.shape != values.shape:
        raise ValueError(f"x and y must be (sample,) alike, got {place.shape} and {values.shape}")
    (place, x_power), (values, y_power) = _scaled(place), _scaled(values)
    middle, means, _, stretch = means_of_stretches(place, values, p.longest)
    there = np.isfinite(middle) & np.isfinite(means)
    middle, means = middle[there], means[there]
    if np.unique(middle).size < FEWEST:
        return _nothing(place, np.nan, Status.TOO_FEW)
    if np.ptp(means) == 0:
        return _nothing(place, float(np.ldexp(means[0], y_power)), Status.CONSTANT)
    if np.ptp(middle[~_held(middle.size)]) <= CLOSEST * np.ptp(middle):
        return _nothing(place, np.nan, Status.CROWDED)
    l2, held_out = _choose(middle, means, p)
    fit = _fit(middle, means, p, l2)
    told = np.full((3, place.size), np.nan)
    finite = np.isfinite(place)
    told[:, finite] = fit.network.derivatives(place[finite])
    sigma, first, second = _gaussian(place, values, told[0], stretch)
    powers = y_power - x_power * np.array([0, 1, 2, 1, 2])
    with np.errstate(over="ignore"):
        told = np.ldexp(np.vstack([told, first, second]), powers[:, None])
    if np.isinf(told).any():
        return _nothing(place, np.nan, Status.TOO_LARGE)
    return Derivatives(
        value=told[0],
        first=told[1],
        second=told[2],
        gaussian_first=told[3],
        gaussian_second=told[4],
        sigma=sigma,
        smoothing=l2,
        held_out_error=float(np.ldexp(held_out, y_power)),
        error=float(np.ldexp(_rms(fit.network.value(middle) - means), y_power)),
        iterations=fit.iterations,
        converged=fit.converged,
        status=Status.FITTED,
    )


def _scaled(values: Floats) -> tuple[Floats, int]:
    """Return finite values as multiples of a power of two near their span, and the power.

    Multiplying by it rounds nothing, and no square of what remains underflows. What is beyond
    1e100 becomes NaN.
    """
    values = np.where(np.abs(values) <= LARGEST, values, np.nan)
    finite = values[np.isfinite(values)]
    power = int(np.frexp(np.ptp(finite))[1]) if finite.size else 0
    return np.ldexp(values, -power), power


def _nothing(place: Floats, value: float, status: Status) -> Derivatives:
    told = np.where(np.isfinite(place), value, np.nan)
    slope = told * 0.0
    return Derivatives(
        value=told, first=slope, second=slope, gaussian_first=slope, gaussian_second=slope,
        sigma=np.nan, smoothing=np.nan, held_out_error=np.nan, error=np.nan, iterations=0,
        converged=True, status=status,
    )  # fmt: skip


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values * values)))


def _fit(x: Floats, y: Floats, p: DerivativeParams, l2: float) -> NetworkFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told by `converged`
        return fit_network(x, y, params=p.network(l2))


def _held(number: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(number) % HELD_OUT == HELD_OUT // 2)


def _choose(x: Floats, y: Floats, p: DerivativeParams) -> tuple[float, float]:
    """Return the smoothing that tells held-out samples best, and its error on them."""
    if len(p.smoothing) == 1:
        return p.smoothing[0], np.nan
    held = _held(x.size)
    errors = []
    for l2 in p.smoothing:
        network = _fit(x[~held], y[~held], p, l2).network
        errors.append(_rms(network.value(x[held]) - y[held]))
    best = int(np.argmin(errors))
    return p.smoothing[best], errors[best]


def _gaussian(
    place: Floats, values: Floats, network: Floats, stretch: int
) -> tuple[float, Floats, Floats]:
    """Return the scale, in samples, and both derivatives by filters at it."""
    nothing = np.full(place.size, np.nan)
    steps = np.diff(place)
    step = float(np.median(steps)) if np.isfinite(steps).all() else 0.0
    if step == 0.0 or np.abs(steps - step).max() > EVEN * abs(step):
        return np.nan, nothing, nothing
    even = fill_gaps(values, LONGEST_GAP)
    if not np.isfinite(even).all():
        return np.nan, nothing, nothing
    sigma = _nearest_scale(_means(even, stretch), _means(network, stretch)) * stretch
    first, second = (derivative(even, sigma, order) / step**order for order in (1, 2))
    return sigma, first, second


def _means(values: Floats, width: int) -> Floats:
    """Return the means of whole stretches; what is left at the end goes."""
    whole = values.size // width * width
    return np.asarray(values[:whole].reshape(-1, width).mean(axis=1))


def _nearest_scale(values: Floats, network: Floats) -> float:
    """Return the scale at which the smoothed values come nearest to the network."""
    sigmas = np.geomspace(0.5, max(values.size / 8, 1.0), 25)
    apart = smooth(values, sigmas) - network
    return float(sigmas[np.argmin((apart * apart).mean(axis=1))])
