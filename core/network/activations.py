"""Activation functions with derivatives up to the third, which training on curvature needs."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

Floats = NDArray[np.float64]
Activation = Literal["tanh", "softplus", "silu", "gelu", "sin", "relu"]
Derivatives = Callable[[Floats, int], list[Floats]]


def _tanh(z: Floats, order: int) -> list[Floats]:
    t = np.tanh(z)
    found = [t]
    if order >= 1:
        u = 1.0 - t * t
        found.append(u)
    if order >= 2:
        found.append(-2.0 * t * u)
    if order >= 3:
        found.append(u * (6.0 * t * t - 2.0))
    return found


def _softplus(z: Floats, order: int) -> list[Floats]:
    found = [np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))]
    return found + _sigmoid(z, order - 1) if order >= 1 else found


def _sigmoid(z: Floats, order: int) -> list[Floats]:
    s = expit(z)
    found = [s]
    if order >= 1:
        d = s * (1.0 - s)
        found.append(d)
    if order >= 2:
        found.append(d * (1.0 - 2.0 * s))
    if order >= 3:
        found.append(d * (1.0 - 6.0 * d))
    return found


def _silu(z: Floats, order: int) -> list[Floats]:
    s = _sigmoid(z, order)
    return [z * s[0], *(k * s[k - 1] + z * s[k] for k in range(1, order + 1))]


def _gelu(z: Floats, order: int) -> list[Floats]:
    below = 0.5 * (1.0 + erf(z / np.sqrt(2.0)))
    found = [z * below]
    if order >= 1:
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        found.append(below + z * density)
    if order >= 2:
        found.append(density * (2.0 - z * z))
    if order >= 3:
        found.append(density * z * (z * z - 4.0))
    return found


def _sin(z: Floats, order: int) -> list[Floats]:
    s = np.sin(z)
    if order == 0:
        return [s]
    c = np.cos(z)
    return [s, c, -s, -c][: order + 1]


def _relu(z: Floats, order: int) -> list[Floats]:
    found = [np.maximum(z, 0.0)]
    if order >= 1:
        found.append((z > 0.0).astype(np.float64))
    return found + [np.zeros_like(z)] * (order - 1)


ACTIVATIONS: dict[str, Derivatives] = {
    "tanh": _tanh,
    "softplus": _softplus,
    "silu": _silu,
    "gelu": _gelu,
    "sin": _sin,
    "relu": _relu,
}
"""Each activation: (z, order) to its value and derivatives at z, up to that order (at most 3)."""
