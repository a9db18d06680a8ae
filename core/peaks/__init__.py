"""Signals as sums of Gaussians on a baseline, without starting values."""

from core.peaks.decompose import decompose
from core.peaks.decomposition import Decomposition
from core.peaks.one import KINDS
from core.peaks.params import DecomposeParams, Status

__all__ = ["KINDS", "DecomposeParams", "Decomposition", "Status", "decompose"]
