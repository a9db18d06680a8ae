"""How many Gaussians a signal shows at its most stable scale."""

import itertools
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import require_number
from core.form import FORM, Within
from core.gaussian import derivative, noise_gain
from core.noise import noise_level
from core.scale_space._kernels import count_minima
from core.scale_space.scales import (
    Floats,
    ScaleParams,
    Status,
    checked_batch,
    checked_ladder,
    scales,
    screened,
)

_VALUES = 1 << 18
"""Values of derivatives that are held at a time, if one scale has fewer."""


@dataclass(frozen=True, kw_only=True)
class StableParams:
    """What counts as a bulge of the signal, and at which scales."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    scales: ScaleParams = field(default_factory=lambda: ScaleParams(sigma_min=0.7))
    """The ladder of scales and the filter."""
    significance: Annotated[float, Within(0.0, 1e6)] = 5.0
    """A minimum of the second derivative counts from this many standard deviations of its noise."""

    def __post_init__(self) -> None:
        if not isinstance(self.scales, ScaleParams):
            raise ValueError(f"scales must be ScaleParams, got {self.scales!r}")
        require_number("significance", self.significance, 0.0, 1e6)


@dataclass(frozen=True, kw_only=True, eq=False)
class StableCount:
    """The count that lasts over the longest stretch of scales, and all counts."""

    count: NDArray[np.int64]
    """(series,) array: number of Gaussians; 0 where nothing is significant."""
    sigma: Floats
    """(series,) array: middle (geometric) of the stretch, in samples; NaN where the count is 0."""
    lifetime: Floats
    """(series,) array: octaves over which the count lasts."""
    counts: NDArray[np.int64]
    """(series, scale) array: significant minima of the second derivative at each scale."""
    sigmas: Floats
    """(scale,) array: in samples."""
    noise: Floats
    """(series,) array: standard deviation of the noise that was assumed, in the signal's units."""
    status: NDArray[np.int8]
    """(series,) array of `Status`."""


def stable_count(
    signals: ArrayLike, sigmas: ArrayLike | None = None, params: StableParams | None = None
) -> StableCount:
    """Count the Gaussians in each signal by the scale at which the count is most stable.

    At each scale the significant minima of the second derivative are counted; the answer is the
    count, other than 0, that lasts longest in octaves (the finer one of two that last as long).
    Two Gaussians of equal width w and height show two minima from 1.48 w apart at the finest scale.

    Parameters
    ----------
    signals : (series, sample) array_like
        In any units.
    sigmas : (scale,) array_like, optional
        Rising, in samples; by default the ladder of `params`.
    params : StableParams, optional
        Scales and significance.

    Returns
    -------
    StableCount
        A series that cannot be counted has 0 and a status.

    Raises
    ------
    ValueError
        If `signals` or `sigmas` are not as above.

    References
    ----------
    A. Witkin, Scale-space filtering, IJCAI 1983 (stability); T. Lindeberg, Scale-space theory in
    computer vision (1994), on the noise of derivatives.

    Examples
    --------
    >>> x = np.arange(400)
    >>> signal = np.exp(-0.5 * ((x - 120) / 12) ** 2) + np.exp(-0.5 * ((x - 180) / 20) ** 2)
    >>> int(stable_count([signal + 1000]).count[0])
    2
    """
    p = params or StableParams()
    batch = checked_batch(signals)
    ladder = scales(batch.shape[1], p.scales) if sigmas is None else checked_ladder(sigmas)
    clean, status, floor = screened(batch, p.scales.round_off)
    noise = noise_level(clean)
    noise[np.isin(status, (Status.NOT_FINITE, Status.TOO_SHORT))] = np.nan
    counts = np.zeros((batch.shape[0], ladder.size), np.int64)
    gains = np.array([noise_gain(float(sigma)) for sigma in ladder])
    for i in np.flatnonzero(status == Status.OK):
        depths = np.maximum(p.significance * np.nan_to_num(noise[i]) * gains, floor[i])
        counts[i] = _counts(clean[i], ladder, depths, p.scales)
    plateau = [_plateau(row, np.log2(ladder)) for row in counts]
    count, middle, lifetime = np.array(plateau).reshape(-1, 3).T
    return StableCount(
        count=count.astype(np.int64),
        sigma=2.0**middle,
        lifetime=lifetime,
        counts=counts,
        sigmas=ladder,
        noise=noise,
        status=status,
    )


def _counts(
    signal: Floats, sigmas: Floats, depths: Floats, params: ScaleParams
) -> NDArray[np.int64]:
    """Return the minima at each scale, with few enough scales at a time to bound the memory."""
    together = max(1, _VALUES // signal.size)
    found = []
    for low in range(0, sigmas.size, together):
        part = slice(low, low + together)
        rows = derivative(signal, sigmas[part], 2, kernel=params.kernel, boundary=params.boundary)
        found += [count_minima(row, depth) for row, depth in zip(rows, depths[part], strict=True)]
    return np.array(found, dtype=np.int64)


def _plateau(counts: NDArray[np.int64], octaves: Floats) -> tuple[float, float, float]:
    """Return the count of the longest stretch, its middle and its length in octaves."""
    best = (0.0, np.nan, 0.0)
    edges = np.flatnonzero(np.diff(counts, prepend=-1, append=-1))
    for first, stop in itertools.pairwise(edges):
        low, high = octaves[first], octaves[stop - 1]
        if counts[first] > 0 and (best[0] == 0.0 or high - low > best[2] + 1e-9):
            best = (float(counts[first]), float(0.5 * (low + high)), float(high - low))
    return best
