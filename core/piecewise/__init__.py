"""Piecewise fits without initial guesses: the certified optimum where there is a method for it."""

from core.piecewise.continuous import TWO_BREAK_LIMIT
from core.piecewise.fit import fit_piecewise
from core.piecewise.params import PiecewiseParams
from core.piecewise.result import PiecewiseFit, Status
from core.piecewise.smooth import SmoothBreak, fit_smooth_break

__all__ = [
    "TWO_BREAK_LIMIT",
    "PiecewiseFit",
    "PiecewiseParams",
    "SmoothBreak",
    "Status",
    "fit_piecewise",
    "fit_smooth_break",
]
