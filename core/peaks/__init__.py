"""Signals as sums of Gaussians on a baseline, without starting values."""

from core.peaks.decompose import decompose
from core.peaks.decomposition import Decomposition
from core.peaks.params import DecomposeParams, Status

__all__ = ["DecomposeParams", "Decomposition", "Status", "decompose"]
