"""Which scales are looked at, with which kernel, and what became of a series."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import require_choice, require_number
from core.form import FORM, Within
from core.gaussian.filters import LARGEST_VALUE
from core.gaussian.transforms import Kernel

Floats = NDArray[np.float64]
Boundary = Literal["reflect", "mirror", "zero"]
"""A periodic signal has no first crossing, and so no order of them."""
_SHORTEST = 3
_EPSILON = float(np.finfo(np.float64).eps)


class Status(IntEnum):
    """What became of a series."""

    OK = 0
    """Computed."""
    NOT_FINITE = 1
    """Holds a NaN, an infinity or a value beyond 1e300: nothing was computed."""
    TOO_SHORT = 2
    """Has fewer than 3 samples: a second derivative has no crossing."""
    STRAIGHT = 3
    """Is constant or straight to the last digit: a true result, without crossings."""


@dataclass(frozen=True, kw_only=True)
class ScaleParams:
    """The ladder of scales and the filter; the defaults suit most signals."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    sigma_min: Annotated[float, Within(0.05, 1e9)] = 0.5
    """The finest scale, in samples, from 0.05 on."""
    sigma_max: Annotated[float, Within(0.05, 1e9)] | None = None
    """The coarsest scale, in samples; by default an eighth of the signal."""
    per_octave: Annotated[int, Within(1, 64)] = 4
    """Scales per doubling of sigma, 1 to 64."""
    kernel: Kernel = "discrete"
    """discrete never creates a crossing from one scale to the next; spectral is the continuous
    Gaussian of the band-limited signal, for the most accurate positions."""
    boundary: Boundary = "reflect"
    """How the signal goes on beyond its ends."""
    round_off: Annotated[float, Within(0.0, 1e12)] = 4.0
    """A value counts as positive or negative beyond this many times what rounding the samples to
    double precision can do to it, 0 to 1e12; higher for data that are rounded more coarsely."""

    def __post_init__(self) -> None:
        require_number("sigma_min", self.sigma_min, 0.05, 1e9)
        if self.sigma_max is not None:
            require_number("sigma_max", self.sigma_max, self.sigma_min, 1e9)
        if not isinstance(self.per_octave, int):
            raise ValueError(f"per_octave must be an integer, got {self.per_octave!r}")
        require_number("per_octave", self.per_octave, 1, 64)
        require_choice("kernel", self.kernel, Kernel)
        require_choice("boundary", self.boundary, Boundary)
        require_number("round_off", self.round_off, 0.0, 1e12)


def scales(samples: int, params: ScaleParams | None = None) -> Floats:
    """Return the ladder of scales for signals of a length.

    Parameters
    ----------
    samples : int
        Length of the signals.
    params : ScaleParams, optional
        Ends and steps of the ladder.

    Returns
    -------
    (scale,) array
        Sigmas in samples, each 2**(1 / per_octave) times the one before.

    Examples
    --------
    >>> scales(40, ScaleParams(per_octave=1))
    array([0.5, 1. , 2. , 4. ])
    """
    p = params or ScaleParams()
    largest = samples / 8.0 if p.sigma_max is None else p.sigma_max
    steps = math.log2(max(largest, p.sigma_min) / p.sigma_min) * p.per_octave
    ladder: Floats = p.sigma_min * 2.0 ** (np.arange(math.floor(steps + 1e-9) + 1) / p.per_octave)
    return ladder


def checked_ladder(sigmas: ArrayLike) -> Floats:
    """Return given scales as float64; they must rise, from above 0 on."""
    ladder = np.asarray(sigmas, dtype=np.float64)
    if ladder.ndim != 1 or ladder.size == 0:
        raise ValueError(f"sigmas must be (scale,) numbers, one at least; got {ladder.shape}")
    if not (np.isfinite(ladder).all() and ladder[0] > 0 and (np.diff(ladder) > 0).all()):
        raise ValueError(f"sigmas must rise strictly from above 0, got {ladder}")
    return ladder


def checked_batch(signals: ArrayLike) -> Floats:
    """Return signals as (series, sample) float64."""
    given = np.asarray(signals)
    if given.ndim != 2 or (given.size and given.dtype.kind not in "buif"):
        form = f"{given.dtype} of shape {given.shape}"
        raise ValueError(f"signals must be (series, sample) real numbers, got {form}")
    return np.ascontiguousarray(given, dtype=np.float64)


def screened(signals: Floats, round_off: float) -> tuple[Floats, NDArray[np.int8], Floats]:
    """Return signals with the bad ones zeroed, a status for each, and the round-off's floor.

    Rounding a sample changes it by eps / 2 of its size at most, and a second difference by four
    times that; the transform adds a few eps of the largest second difference.
    """
    series, samples = signals.shape
    status = np.zeros(series, np.int8)
    if samples < _SHORTEST:
        status[:] = Status.TOO_SHORT
    finite: NDArray[np.bool_] = np.all(np.abs(signals) <= LARGEST_VALUE, axis=1)
    status[~finite] = Status.NOT_FINITE
    clean = np.where(finite[:, None], signals, 0.0)
    largest = np.abs(clean).max(axis=1, initial=0.0)
    curvature = np.abs(np.diff(clean, 2, axis=1)).max(axis=1, initial=0.0)
    floor = _EPSILON * round_off * (largest + 4.0 * curvature)
    status[(status == Status.OK) & (curvature <= floor)] = Status.STRAIGHT
    return clean, status, floor
