"""Long series made short enough to fit: means of equal stretches."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Stretches(NamedTuple):
    """Means over stretches of a series, in order of x."""

    x: Floats
    """(stretch,) array: mean positions; NaN where the stretch has no sample."""
    y: Floats
    """(stretch,) array: mean values."""
    counts: Floats
    """(stretch,) array: samples behind each mean, the weights of a fit to them."""
    width: int
    """Samples that a stretch spans; 1 where the series is short enough as it is."""


def order_along(x: ArrayLike) -> NDArray[np.int64] | None:
    """Return the order in which finite positions rise; None where they do or fall as they stand.

    Parameters
    ----------
    x : (sample,) array_like
        Positions, which may repeat; samples at one position keep their order. With a NaN or an
        infinity among them they have no order: None.

    Examples
    --------
    >>> order_along([3, 1, 2]), order_along([3, 2, 2])
    (array([1, 2, 0]), None)
    """
    place = np.asarray(x, np.float64)
    falls, rises = (place[1:] <= place[:-1]).all(), (place[1:] >= place[:-1]).all()
    if rises or falls or not np.isfinite(place).all():
        return None
    return np.argsort(place, kind="stable")


def means_of_stretches(x: ArrayLike, y: ArrayLike, longest: int) -> Stretches:
    """Return a series of `longest` samples at most, each the mean of as many of its neighbours.

    Parameters
    ----------
    x, y : (sample,) array_like
        Positions, in any order, and values; a sample that is NaN or infinite in either is left
        out.
    longest : int
        Samples that the result may have, at least 1.

    Returns
    -------
    Stretches
        In the units of x and y. A series that is short enough comes back as it is.

    Examples
    --------
    >>> means_of_stretches([0, 1, 2, 3], [4, 6, np.nan, 1], 2)
    Stretches(x=array([0.5, 3. ]), y=array([5., 1.]), counts=array([2., 1.]), width=2)
    """
    place, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    width = max(1, -(-values.size // longest))
    if width > 1 and not (np.diff(place) > 0).all():
        order = np.argsort(place, kind="stable")
        place, values = place[order], values[order]
    there = np.isfinite(place) & np.isfinite(values)
    starts = np.arange(0, values.size, width)
    counts = np.add.reduceat(there.astype(np.float64), starts) if values.size else np.empty(0)
    offset = place[there][0] if there.any() else 0.0  # so that large x of small steps keep digits

    def means(numbers: Floats) -> Floats:
        if not numbers.size:
            return np.empty(0)
        # Divided before they are added, so that no sum overflows.
        shares = np.add.reduceat(np.where(there, numbers / width, 0.0), starts)
        return np.asarray(shares * (width / counts))

    with np.errstate(all="ignore"):
        return Stretches(means(place - offset) + offset, means(values), counts, width)
