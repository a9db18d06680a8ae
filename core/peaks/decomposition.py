"""The result of a decomposition."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decomposition:
    """Components of a batch of signals, by center; NaN where a series has fewer.

    A component is amplitude * exp(-(x - center)² / (2 sigma²)).
    """

    n_components: NDArray[np.int64]
    """(series,) array."""
    amplitude: Floats
    """(series, component) array: height, in the signal's units."""
    center: Floats
    """(series, component) array: in the units of x."""
    sigma: Floats
    """(series, component) array: standard width, in the units of x."""
    baseline: Floats
    """(series, 2) array: b0 and b1 of the chosen baseline, NaN where it has none."""
    baseline_kind: NDArray[np.int8]
    """(series,) array: 0 none, 1 constant, 2 linear, 3 exponential."""
    baseline_origin: Floats
    """(series,) array: the x from which an exponential counts: 0, or the least x where that is
    farther from 0 than the x span, as b0 at 0 might be no number."""
    amplitude_error: Floats
    """(series, component) array: standard error."""
    center_error: Floats
    """(series, component) array: standard error."""
    sigma_error: Floats
    """(series, component) array: standard error."""
    baseline_error: Floats
    """(series, 2) array: standard errors."""
    amplitude_interval: Floats
    """(series, component, 2) array: ends of the confidence interval."""
    center_interval: Floats
    """(series, component, 2) array."""
    sigma_interval: Floats
    """(series, component, 2) array."""
    profiled: NDArray[np.bool_]
    """(series,) array: the intervals come from the profile of the likelihood."""
    rss: Floats
    """(series,) array: residual sum of squares."""
    noise: Floats
    """(series,) array: standard deviation of the residuals, by their degrees of freedom."""
    difference_noise: Floats
    """(series,) array: standard deviation of the noise by differences alone, whatever the fit."""
    lag1: Floats
    """(series,) array: autocorrelation of the residuals at a distance of one sample."""
    correlated: NDArray[np.bool_]
    """(series,) array: the noise is correlated: lag1 is beyond 0.1 either way, by more than chance,
    and if above 0 seen in differences too. The criterion and the errors count it by its variance at
    low frequencies, but by no less than that of white noise where lag1 is below 0."""
    lack_of_fit: NDArray[np.bool_]
    """(series,) array: the residuals hold more than noise: something that is no such component.
    Where the noise is correlated: they stay so over distances at which noise forgets."""
    status: NDArray[np.int8]
    """(series,) array of `core.peaks.Status`."""


def empty(series: int, components: int) -> Decomposition:
    """Return a decomposition without any component, to be filled."""
    shapes = {
        "baseline": (series, 2),
        "baseline_error": (series, 2),
        **{name: (series,) for name in ("baseline_kind", "baseline_origin", "n_components")},
        **{name: (series,) for name in ("rss", "noise", "difference_noise", "lag1")},
        **{name: (series,) for name in ("profiled", "correlated", "lack_of_fit", "status")},
    }
    dtypes: dict[str, type] = {
        "n_components": np.int64,
        "status": np.int8,
        "baseline_kind": np.int8,
    }
    for name in ("profiled", "correlated", "lack_of_fit"):
        dtypes[name] = np.bool_
    arrays: dict[str, NDArray[Any]] = {}
    for one in fields(Decomposition):
        pair = (2,) if one.name.endswith("_interval") else ()
        shape = shapes.get(one.name, (series, components, *pair))
        dtype = dtypes.get(one.name, np.float64)
        arrays[one.name] = np.full(shape, np.nan if dtype is np.float64 else 0, dtype)
    return Decomposition(**arrays)
