"""Logits of any dtype and layout, as the loops of `_softmax_kernels` take them."""

from math import frexp, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from core._softmax_kernels import LANES
from core.checks import require_number

Floats = NDArray[Any]
Doubles = NDArray[np.float64]
MOST = 2**26
"""Classes whose sums are exact."""
LONG, SHORT = 1024, 128
"""Classes worked on at a time where rows are many or few: longer rows are cut, their parts merged;
parts of few long rows are worked on side by side."""


class Logits:
    """A (before, class, behind) array of doubles in one axis, and the shape and dtype it had.

    Parameters
    ----------
    logits : array
        Booleans, integers of any width, or float16, float32 or float64.
    axis : int or None
        The axis of the classes; None for all axes.
    temperature : float
        From 1e-300 to 1e300.

    Raises
    ------
    ValueError
        A dtype, axis or number is not among these, or the classes are too many.
    """

    def __init__(self, logits: ArrayLike, axis: int | None, temperature: float) -> None:
        array = np.asarray(logits)
        self.dtype = _result_type(array.dtype)
        self.shape = array.shape
        if axis is None:
            array, self.rows = array.reshape(-1), ()
            self.layout = (1, array.size, 1)
        else:
            axis = _axis(axis, array.ndim)
            self.rows = array.shape[:axis] + array.shape[axis + 1 :]
            self.layout = (
                prod(array.shape[:axis]), array.shape[axis], prod(array.shape[axis + 1 :])
            )  # fmt: skip
        self.classes = self.layout[1]
        require_few(self.classes)
        self.temperature = require_number("temperature", temperature, 1e-300, 1e300)
        self.values, self.low = _as_doubles(array)

    @property
    def length(self) -> int:
        """How many classes of a row are worked on at a time."""
        return min(self.classes, LONG if prod(self.rows) >= LANES else SHORT)

    @property
    def given(self) -> tuple[Doubles, Doubles, tuple[int, int, int]]:
        """The values, what rounding took from them (empty: nothing), and the layout."""
        return self.values, self.low, self.layout

    def shaped(self, out: Doubles) -> Floats:
        """Return results of each logit in the shape and dtype of the logits."""
        return out.reshape(self.shape).astype(self.dtype, copy=False)


def require_few(classes: int) -> None:
    """Raise ValueError for more classes than can be summed up exactly."""
    if classes > MOST:
        raise ValueError(f"sums over more than {MOST} classes are not exact, got {classes} classes")


def scaled(temperature: float) -> tuple[float, float]:
    """Return a divisor from 1 to 2 and a power of two that together divide by the temperature."""
    fraction, exponent = frexp(temperature)
    return 2.0 * fraction, 2.0 ** (1 - exponent)


def _axis(axis: object, ndim: int) -> int:
    """Return an axis from 0, or raise ValueError."""
    whole = isinstance(axis, (int, np.integer)) and not isinstance(axis, (bool, np.bool_))
    if not whole or not -ndim <= axis < ndim:  # type: ignore[operator]
        raise ValueError(
            f"axis must be a whole number from {-ndim} to {ndim - 1}, or None for all axes, of "
            f"logits with {ndim} axes, got {axis!r}"
        )
    return int(axis) % ndim  # type: ignore[call-overload, no-any-return]


def _result_type(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype of results, or raise ValueError."""
    given = np.dtype(dtype)
    if given.kind in "biu":
        return np.dtype(np.float64)
    if given.kind == "f" and given.itemsize <= 8:
        return given.newbyteorder("=")
    raise ValueError(
        f"logits must be booleans, integers, float16, float32 or float64, got dtype {given}"
    )


def _as_doubles(array: NDArray[Any]) -> tuple[Doubles, Doubles]:
    """Return values in one axis, and what rounding to double took from them (empty: nothing)."""
    nothing = np.empty(0)
    # Read-only or unaligned arrays would have the loops compiled once more.
    values = np.require(array, np.float64, ["C", "A", "W"]).reshape(-1)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return values, nothing
    if int(array.max()) <= 2**53 and int(array.min()) >= -(2**53):
        return values, nothing
    flat = array.reshape(-1)
    high = ((flat >> 32) << 32).astype(np.float64)
    low = (flat & 0xFFFFFFFF).astype(np.float64)
    return values, low - (values - high)
