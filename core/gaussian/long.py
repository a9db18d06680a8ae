"""Long signals in overlapping pieces, so that the transforms stay in the caches."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.gaussian.transforms import (
    Boundary,
    Floats,
    Kernel,
    differenced,
    halo,
    transfer,
    transform,
)

LONG = 1 << 17
"""Samples from which a signal is cut."""
_SHORTEST_PIECE = 1 << 13
_HALOS = 24
"""Halos in a piece: the larger, the less is computed twice."""
_TOGETHER = 4
"""Pieces that are transformed at a time."""
_BANDED_SIGMA = 2.5
"""From here on the spectral kernel has forgotten its corner at the Nyquist frequency, to 1e-13;
below, its taps fall off as 1 / n² only, and no halo holds them."""


class Piece(NamedTuple):
    """Some scales of a stretch of a signal."""

    scales: NDArray[np.int64]
    """(scale,) array: which scales of those asked for."""
    start: int
    """The first sample."""
    values: Floats
    """(scale, sample) array."""


def is_long(samples: int, largest: float, smallest: float, kernel: Kernel) -> bool:
    """Whether a signal is cut: it is long, and the kernel falls off within it."""
    cut = samples >= LONG and _piece_length(largest) <= samples
    return cut and reaches_halo(smallest, kernel)


def reaches_halo(sigma: float, kernel: Kernel, boundary: Boundary = "reflect") -> bool:
    """Tell whether a signal can be cut: all that a sample depends on lies within its halo.

    Examples
    --------
    >>> reaches_halo(0.5, "discrete"), reaches_halo(0.5, "spectral")
    (True, False)
    """
    return boundary != "periodic" and (kernel == "discrete" or sigma >= _BANDED_SIGMA)


def pieces(
    signal: Floats,
    sigmas: Floats,
    order: int = 2,
    *,
    kernel: Kernel = "discrete",
    boundary: Boundary = "reflect",
) -> Iterator[Piece]:
    """Derive one long smoothed signal piece by piece, in bounded memory.

    Scales that need a halo of similar size share their pieces. The pieces of a scale follow one
    another and cover the signal once.

    Parameters
    ----------
    signal : (sample,) array
        float64, finite.
    sigmas : (scale,) array
        In samples.
    order, kernel, boundary
        As of `core.gaussian.derivative`.

    Returns
    -------
    iterator of Piece
        The whole signal's derivative, as closely as `core.gaussian.derivative` says.

    Raises
    ------
    ValueError
        If the kernel is spectral and a sigma below 2.5: its taps reach beyond any halo.

    Examples
    --------
    >>> signal = np.sin(np.arange(300_000) / 100)
    >>> found = list(pieces(signal, np.array([1.0, 2.0])))
    >>> sum(piece.values.size for piece in found)
    600000
    """
    finest = float(np.min(sigmas, initial=math.inf))
    if not reaches_halo(finest, kernel):
        raise ValueError(
            f"the {kernel} kernel needs the whole signal at sigma {finest:g}, as it is cut from "
            f"{_BANDED_SIGMA} on; use core.gaussian.derivative, or the discrete kernel"
        )
    lengths = np.array([_piece_length(float(sigma)) for sigma in sigmas])
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    return itertools.chain.from_iterable(
        _group(signal, scales, sigmas[scales], int(lengths[scales[0]]), order, kernel, boundary)
        for scales in groups
    )


def _group(
    signal: Floats,
    scales: NDArray[np.int64],
    sigmas: Floats,
    length: int,
    order: int,
    kernel: Kernel,
    boundary: Boundary,
) -> Iterator[Piece]:
    margin = halo(float(sigmas.max()))
    step = length - 2 * margin
    change = transform(length, order, "reflect")
    factors = [transfer(change.omega, float(sigma), order, kernel) for sigma in sigmas]
    starts = range(0, signal.size, step)
    for first in range(0, len(starts), _TOGETHER):
        some = starts[first : first + _TOGETHER]
        block = np.stack([_stretch(signal, start - margin, length, boundary) for start in some])
        coefficients = change.forward(differenced(block, order, "reflect"))
        product = np.empty_like(coefficients)
        begin, stop = some[0], min(some[-1] + step, signal.size)
        values = np.empty((sigmas.size, len(some), step))
        for scale, factor in enumerate(factors):
            np.multiply(coefficients, factor, out=product)
            values[scale] = change.backward(product)[:, margin : margin + step]
        joined = values.reshape(sigmas.size, -1)[:, : stop - begin]
        yield Piece(scales, begin, joined)


def _piece_length(sigma: float) -> int:
    wanted = max(_SHORTEST_PIECE, _HALOS * halo(min(sigma, 1e15)))
    return 1 << math.ceil(math.log2(wanted))


def _stretch(signal: Floats, start: int, length: int, boundary: Boundary) -> Floats:
    """Return samples from `start` on, also beyond the ends, where the boundary tells them."""
    size = signal.size
    if start >= 0 and start + length <= size:
        return signal[start : start + length]
    index = np.arange(start, start + length)
    if boundary == "periodic":
        return signal[index % size]
    if boundary == "reflect":
        index %= 2 * size
        return signal[np.where(index < size, index, 2 * size - 1 - index)]
    if boundary == "mirror":
        index %= 2 * size - 2
        return signal[np.where(index < size, index, 2 * size - 2 - index)]
    index = (index + 1) % (2 * size + 2)
    extended = np.concatenate([[0.0], signal, [0.0], -signal[::-1]])
    return extended[index]
