"""The cosine, sine and Fourier transforms in which Gaussian smoothing is a product.

A boundary extends a signal beyond its ends; each extension is periodic and even or odd, so that a
transform diagonalises every symmetric filter. Differences are taken among the samples, before the
transform: they commute with the filter, and a baseline of any height cancels exactly there, while
in the coefficients it would leave its round-off.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Kernel = Literal["discrete", "spectral"]
"""discrete: exp(-t) I_n(t), which never creates a crossing; spectral: the band-limited Gaussian."""
Boundary = Literal["reflect", "mirror", "zero", "periodic"]
"""reflect: d c b a | a b c d; mirror: d c b | a b c d; zero: odd about the sample before the first,
which is 0, so that diffusion sees absorbing ends; periodic: the signal repeats."""

Floats = NDArray[np.float64]
Coefficients = NDArray[Any]


class Transform(NamedTuple):
    """From differences to coefficients at the angular frequencies omega, and back to samples."""

    forward: Callable[[Floats], Coefficients]
    backward: Callable[[Coefficients], Floats]
    """Overwrites its argument, where it can: memory that is new costs as much as the transform."""
    omega: Floats
    """(frequency,) array: radians per sample."""


def differenced(signals: Floats, order: int, boundary: Boundary) -> Floats:
    """Take order // 2 second differences, then a first one to half samples if the order is odd."""
    result = signals
    for _ in range(order // 2):
        result = _second_difference(result, boundary)
    return _half_difference(result, boundary) if order % 2 else result


def transform(size: int, order: int, boundary: Boundary) -> Transform:
    """Return the transform of what `differenced` makes of `size` samples."""
    if boundary == "periodic":
        return _periodic(size, order % 2 == 1)
    return (_odd if order % 2 else _even)(size, boundary)


def transfer(omega: Floats, sigma: float, order: int, kernel: Kernel) -> Floats:
    """Return the filter's factors on the coefficients of the differences.

    The discrete Gaussian is exp(-t (1 - cos w)) with t = sigma² (Lindeberg 1990, eq. 20 ff.), and
    its odd derivatives use the central difference. The spectral kernel is (iw)^m exp(-t w² / 2),
    of which the differences already hold (2i sin(w / 2))^m.
    """
    if kernel == "discrete":
        factors = np.exp(-2.0 * (sigma * np.sin(0.5 * omega)) ** 2)
        return factors * np.cos(0.5 * omega) if order % 2 else factors
    smoothing: Floats = np.exp(-0.5 * (sigma * omega) ** 2)
    return smoothing / np.sinc(omega / (2.0 * math.pi)) ** order


def halo(sigma: float) -> int:
    """Return the samples on each side that a smoothed sample can be told to depend on.

    Beyond them a step leaves less than 1e-12 of the largest response.

    Examples
    --------
    >>> halo(0.05), halo(128)
    (9, 1096)
    """
    return math.ceil(8.5 * sigma + 8.0)


def _second_difference(signals: Floats, boundary: Boundary) -> Floats:
    result = np.empty_like(signals)
    steps = np.diff(signals, axis=-1)
    result[..., 1:-1] = np.diff(steps, axis=-1)
    first, last = signals[..., 0], signals[..., -1]
    if boundary == "periodic":
        around = first - last
        before, after = around, around
    elif boundary == "zero":
        before, after = first, -last
    else:
        before = after = np.zeros_like(first)
    if signals.shape[-1] == 1:
        result[..., 0] = after - before
        return result
    fold = 2.0 if boundary == "mirror" else 1.0
    result[..., 0] = fold * steps[..., 0] - before
    result[..., -1] = after - fold * steps[..., -1]
    return result


def _half_difference(signals: Floats, boundary: Boundary) -> Floats:
    if boundary == "zero":
        return np.diff(signals, axis=-1, prepend=0.0, append=0.0)
    if boundary == "periodic":
        return np.diff(signals, axis=-1, append=signals[..., :1])
    return np.diff(signals, axis=-1)


def _even(size: int, boundary: Boundary) -> Transform:
    rank = np.arange(size)
    if boundary == "mirror" and size > 1:
        return Transform(
            lambda values: fft.dct(values, type=1),
            lambda values: fft.idct(values, type=1, overwrite_x=True),
            math.pi * rank / (size - 1),
        )
    if boundary == "zero":
        return Transform(
            lambda values: fft.dst(values, type=1),
            lambda values: fft.idst(values, type=1, overwrite_x=True),
            math.pi * (rank + 1) / (size + 1),
        )
    return Transform(
        lambda values: fft.dct(values, type=2),
        lambda values: fft.idct(values, type=2, overwrite_x=True),
        math.pi * rank / size,
    )


def _odd(size: int, boundary: Boundary) -> Transform:
    """Return the transform from half samples, where first differences lie, to samples."""
    if boundary == "zero":
        return Transform(
            lambda values: fft.dct(values, type=2),
            lambda values: fft.idct(_padded(values, 0, 1), type=1)[..., 1:-1],
            math.pi * np.arange(size + 1) / (size + 1),
        )
    if boundary == "reflect":
        return Transform(
            lambda values: fft.dst(values, type=1) if size > 1 else values,
            lambda values: fft.idst(_padded(values, 0, 1), type=2),
            math.pi * np.arange(1, size) / size,
        )
    return Transform(
        lambda values: fft.dst(values, type=2) if size > 1 else values,
        lambda values: _padded(
            fft.idst(values[..., :-1], type=1) if size > 2 else values[..., :0],
            1,
            1 if size > 1 else 0,
        ),
        math.pi * np.arange(1, size) / max(size - 1, 1),
    )


def _periodic(size: int, half: bool) -> Transform:
    omega = 2.0 * math.pi * np.arange(size // 2 + 1) / size
    shift = np.exp(-0.5j * omega) if half else 1.0
    return Transform(
        lambda values: fft.rfft(values) * shift, lambda values: fft.irfft(values, n=size), omega
    )


def _padded(values: Coefficients, before: int, after: int) -> Coefficients:
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(before, after)])
