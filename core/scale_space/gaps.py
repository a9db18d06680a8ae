"""Gaps in a signal, filled so that a filter can pass over them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def fill_gaps(signal: ArrayLike, longest: int) -> Floats:
    """Return a signal whose short gaps are bridged by straight lines.

    Parameters
    ----------
    signal : (sample,) array_like
        NaN and infinities are missing.
    longest : int
        Missing samples in a row that are bridged, and at either end repeated; longer gaps stay.

    Returns
    -------
    (sample,) array
        The signal, with NaN only in the gaps that are too long.

    Examples
    --------
    >>> fill_gaps([1.0, np.nan, 3.0, np.nan, np.nan], 1)
    array([ 1.,  2.,  3., nan, nan])
    """
    values = np.array(signal, np.float64)
    missing = ~np.isfinite(values)
    if missing.all() or not missing.any():
        return np.where(missing, np.nan, values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    index = np.arange(values.size)
    # Halves first: the difference of two huge neighbours must not overflow.
    bridged = 2.0 * np.interp(index, index[~missing], values[~missing] / 2.0)
    values[missing] = bridged[missing]
    for start, stop in zip(starts, stops, strict=True):
        if stop - start > longest:
            values[start:stop] = np.nan
    return values
