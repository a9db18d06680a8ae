"""x as a plain axis of floating-point numbers, and back to what the user gave."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Positions along x, from a whole base that is subtracted before any rounding."""

    values: Floats
    """(1 or series, sample) array: x - base, in seconds for times; log x on a log axis."""
    given: NDArray[Any]
    """(1 or series, sample) array: the user's x."""
    base: NDArray[np.int64] | NDArray[np.uint64]
    """(1 or series, 1) array: what was subtracted, in ticks for times; 0 for floats."""
    ticks: float = 1.0
    """Ticks in a unit of `values`."""
    dtype: np.dtype[Any] | None = None
    """datetime64 or timedelta64, where x is time."""
    log: bool = False
    """`values` are natural logarithms."""

    def restore(self, values: Floats) -> NDArray[Any]:
        """Return positions (series, ...) in the user's own x; unbounded times become NaT."""
        base = self.base.reshape((-1,) + (1,) * (values.ndim - 1))
        if self.dtype is not None:
            known = np.isfinite(values)
            ticks = np.rint(np.where(known, values, 0.0) * self.ticks).astype(np.int64) + base
            times = ticks.view(self.dtype)
            times[~known] = np.array("NaT", self.dtype)
            return times
        if self.log:
            with np.errstate(over="ignore"):
                return np.asarray(np.exp(values))
        return values + base

    def part(self, where: NDArray[np.int64]) -> "Axis":
        """Return the axis of some of its series."""
        base = self.base if self.base.shape[0] == 1 else self.base[where]
        return replace(self, values=self.values[where], given=self.given[where], base=base)

    def sample_at(self, series: int, value: float) -> int:
        """Return which sample of a series lies nearest to a position along `values`."""
        row = self.values[min(series, self.values.shape[0] - 1)]
        return int(np.nanargmin(np.abs(row - value)))

    @property
    def zero(self) -> Floats:
        """(1 or series, 1) array: where x = 0, or log x = 0, lies along `values`."""
        return -(self.base.astype(np.float64) / self.ticks)


def to_axis(x: ArrayLike, x_transform: str | None) -> Axis:
    """Turn x of numbers or times, (sample,) or (series, sample), into an axis.

    Raises
    ------
    ValueError
        If x is neither numbers nor times, or times are to be transformed.
    """
    given: NDArray[Any] = np.atleast_2d(np.asarray(x))
    kind = given.dtype.kind
    if x_transform == "log" and kind in "iuf":
        values = given.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithms = np.where(values <= 0.0, -np.inf, np.log(values))
        return Axis(values=logarithms, given=given, base=np.zeros((1, 1), np.int64), log=True)
    if kind in "mM" and x_transform is None:
        return _time_axis(given)
    if kind == "f":
        return Axis(values=given.astype(np.float64), given=given, base=np.zeros((1, 1), np.int64))
    if kind in "iu" and x_transform is None:
        whole = given.astype(np.uint64 if kind == "u" else np.int64)
        base = whole.min(axis=1, keepdims=True, initial=np.iinfo(whole.dtype).max)
        # Modulo 2^64 the difference is exact, though it may be more than int64 holds.
        away = whole.view(np.uint64) - base.view(np.uint64)
        return Axis(values=away.astype(np.float64), given=given, base=base)
    raise ValueError(
        f"x is {given.dtype}; numbers are needed, or datetime64 or timedelta64 without x_transform"
    )


def _time_axis(x: NDArray[Any]) -> Axis:
    """Count time in nanoseconds where it is that fine, else in microseconds."""
    fine = np.datetime_data(x.dtype)[0] in ("ns", "ps", "fs", "as")
    dtype = np.dtype(f"{x.dtype.kind}8[{'ns' if fine else 'us'}]")
    ticks = 1e9 if fine else 1e6
    missing = np.isnat(x)
    whole = x.astype(dtype).view(np.int64)
    least = np.where(missing, np.iinfo(np.int64).max, whole).min(axis=1, keepdims=True)
    base = np.where(missing.all(axis=1, keepdims=True), 0, least)
    values = np.where(missing, np.nan, (whole - base) / ticks)
    return Axis(values=values, given=x, base=base, ticks=ticks, dtype=dtype)
