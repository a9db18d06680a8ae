"""What a signal is like at first sight: its range, its mean, its noise and its gaps."""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Of 2 x[i] - x[i-2] - x[i+2]: the variance of independent noise grows sixfold, and the median of
# its absolute value is 1 / 1.482602 of its standard deviation where the noise is Gaussian.
_DER_SNR = 1.482602 / math.sqrt(6.0)
_REACH = 2


@dataclass(frozen=True, kw_only=True)
class Descriptors:
    """Descriptors of a batch of signals, each a (series,) array; NaN where nothing is finite."""

    length: Integers
    """Samples of the signal, finite or not."""
    finite_fraction: Floats
    """Share of the samples that are neither NaN nor infinite."""
    minimum: Floats
    """Least finite sample."""
    maximum: Floats
    """Greatest finite sample."""
    mean: Floats
    """Mean of the finite samples."""
    noise: Floats
    """Standard deviation of the noise; NaN where no five neighbours tell."""


def describe(signals: ArrayLike, length: ArrayLike | None = None) -> Descriptors:
    """Describe each signal of a batch, by its finite samples alone.

    The noise is the DER_SNR estimate, ``1.482602 / sqrt(6) median |2 x[i] - x[i-2] - x[i+2]|``,
    over all i at which the three samples are finite. It tells the standard deviation of Gaussian
    noise that is independent at a distance of two samples, whatever smooth signal, lines or spikes
    lie below it; a signal of few distinct values, more than half of it constant, has none.

    Parameters
    ----------
    signals : (series, sample) array_like
        In any units; NaN, infinite and huge values are welcome.
    length : (series,) array_like of int, optional
        Samples that belong to each signal; those behind are padding, and never looked at. By
        default there is no padding.

    Returns
    -------
    Descriptors
        In the units of the signals. A series' row depends on its own samples alone.

    Raises
    ------
    ValueError
        Where the shapes do not fit, or a length is negative or beyond the samples.

    References
    ----------
    F. Stoehr et al., "DER_SNR: A simple & general spectroscopic signal-to-noise measurement
    algorithm", ADASS XVII, ASP Conference Series 394, 505 (2008).

    Examples
    --------
    >>> import numpy as np
    >>> signal = [[0.0, 1.0, np.nan, 3.0, 2.0, 5.0, np.nan]]
    >>> found = describe(signal, length=[6])
    >>> found.minimum, found.maximum, found.mean
    (array([0.]), array([5.]), array([2.2]))
    >>> noise = np.random.default_rng(1).normal(scale=3.0, size=(1, 100_000))
    >>> describe(noise).noise.round(1)
    array([3.])
    """
    batch = np.ascontiguousarray(signals, dtype=np.float64)
    if batch.ndim != 2:
        raise ValueError(f"signals of shape {batch.shape}; (series, sample) is needed")
    lengths = _checked_lengths(length, *batch.shape)
    table = np.full((5, batch.shape[0]), np.nan)
    _describe_batch(batch, lengths, table)
    finite_fraction, minimum, maximum, mean, noise = table
    return Descriptors(
        length=lengths,
        finite_fraction=finite_fraction,
        minimum=minimum,
        maximum=maximum,
        mean=mean,
        noise=noise,
    )


def _checked_lengths(length: ArrayLike | None, series: int, samples: int) -> Integers:
    if length is None:
        return np.full(series, samples, dtype=np.int64)
    lengths = np.asarray(length)
    if lengths.shape != (series,) or (series > 0 and lengths.dtype.kind not in "iu"):
        form = f"{lengths.dtype} of shape {lengths.shape}"
        raise ValueError(f"length is {form}; one integer for each of {series} series is needed")
    if series and (lengths.min() < 0 or lengths.max() > samples):
        bounds = f"{lengths.min()} to {lengths.max()}"
        raise ValueError(f"lengths of {bounds}; 0 to {samples} samples are there")
    return lengths.astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _describe_batch(signals: Floats, lengths: Integers, table: Floats) -> None:
    for series in range(signals.shape[0]):
        signal = signals[series, : lengths[series]]
        finite, low, high = _range(signal)
        if signal.size > 0:
            table[0, series] = finite / signal.size
        if finite > 0:
            # A power of two scales exactly, and brings the samples to where no sum overflows.
            exponent = math.frexp(max(abs(low), abs(high)))[1]
            factor = math.ldexp(1.0, -min(max(exponent, -1000), 1000))
            table[1, series], table[2, series] = low, high
            table[3, series] = min(max(_sum(signal, factor) / finite / factor, low), high)
            table[4, series] = _noise(signal, factor) / factor


@numba.njit(cache=True, nogil=True)
def _range(signal: Floats) -> tuple[int, float, float]:
    """Count the finite samples, and find the least and the greatest."""
    finite, low, high = 0, math.inf, -math.inf
    for value in signal:
        if math.isfinite(value):
            finite += 1
            low, high = min(low, value), max(high, value)
    return finite, low, high


@numba.njit(cache=True, nogil=True)
def _sum(signal: Floats, factor: float) -> float:
    """Add the finite samples, times the factor, with Neumaier's compensation."""
    total = lost = 0.0
    for value in signal:
        if math.isfinite(value):
            scaled = factor * value
            new = total + scaled
            if abs(total) >= abs(scaled):
                lost += (total - new) + scaled
            else:
                lost += (scaled - new) + total
            total = new
    return total + lost


@numba.njit(cache=True, nogil=True)
def _noise(signal: Floats, factor: float) -> float:
    """DER_SNR noise of the samples times the factor."""
    size = max(signal.size - 2 * _REACH, 0)
    differences = np.empty(size)
    count = 0
    for i in range(_REACH, _REACH + size):
        before, here, after = signal[i - _REACH], signal[i], signal[i + _REACH]
        if math.isfinite(before) and math.isfinite(here) and math.isfinite(after):
            differences[count] = abs(2.0 * (factor * here) - factor * before - factor * after)
            count += 1
    return _DER_SNR * np.median(differences[:count]) if count else math.nan
