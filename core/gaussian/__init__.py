"""Gaussian smoothing and derivatives of batches of signals, at any scale."""

from core.gaussian.filters import derivative, noise_gain, smooth
from core.gaussian.long import Piece, pieces, reaches_halo
from core.gaussian.transforms import Boundary, Kernel, halo

__all__ = [
    "Boundary",
    "Kernel",
    "Piece",
    "derivative",
    "halo",
    "noise_gain",
    "pieces",
    "reaches_halo",
    "smooth",
]
