"""Huber's loss by iterative reweighting around the least-squares solvers."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TUNING = 1.345
"""Residuals beyond so many scales count less; 95 % efficient for Gaussian noise."""
_ROUNDS = 50
_STILL = 1e-6
"""A series is done when no weight factor moves by more than this."""


def reweight(
    fit: Callable[[Floats, NDArray[np.int64]], Floats], y: Floats, w: Floats
) -> tuple[Floats, Floats]:
    """Iterate fits until the Huber weights stand still.

    Parameters
    ----------
    fit : callable
        Takes weights (some series, sample) and the indices of those series, and returns the
        fitted values (some series, sample).
    y, w : (series, sample) array
        Samples, NaN where missing, and the user's weights.

    Returns
    -------
    weights, scale : (series, sample) and (series,) array
        The last weights, and the robust scale: the median absolute residual at weight 1 times
        1.4826.
    """
    weights, scale = w.copy(), np.full(y.shape[0], np.nan)
    active = np.arange(y.shape[0])
    for _ in range(_ROUNDS):
        residual = np.abs(y[active] - fit(weights[active], active)) * np.sqrt(w[active])
        scale[active] = 1.4826 * _median(residual)
        limit = _TUNING * scale[active, None]
        factor = np.where(residual > limit, limit / np.where(residual > 0.0, residual, 1.0), 1.0)
        # With more than half of the residuals 0 the scale tells nothing: leave such series.
        factor = np.where(limit > 0.0, factor, 1.0)
        new = w[active] * factor
        moved = np.abs(new - weights[active]) > _STILL * w[active]
        weights[active] = new
        active = active[moved.any(axis=1)]
        if not active.size:
            break
    return weights, scale


def _median(residual: Floats) -> Floats:
    """Median over the samples that are there, NaN where none is."""
    ordered = np.sort(residual, axis=1)
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    low, high = (np.maximum(c, 0)[:, None] for c in ((count - 1) // 2, count // 2))
    high = np.minimum(high, residual.shape[1] - 1)
    middle = [np.take_along_axis(ordered, index, axis=1)[:, 0] for index in (low, high)]
    return np.where(count > 0, 0.5 * (middle[0] + middle[1]), np.nan)
