"""What keeps coefficients small: nothing, squares, absolute values, or both."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.checks import require_number
from core.logistic._types import Floats

Kind = Literal["none", "l2", "l1", "elastic-net"]


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """Add l1 |w|_1 + l2 / 2 |w|_2^2 to the mean loss; intercepts are never penalised.

    Examples
    --------
    >>> Penalty(l1=0.5).prox(np.array([2.0, -0.2]), 1.0).tolist()
    [1.5, -0.0]
    """

    l1: float = 0.0
    """Factor of the sum of absolute coefficients, 0 or more."""
    l2: float = 0.0
    """Factor of half the sum of squared coefficients, 0 or more."""

    def __post_init__(self) -> None:
        for name in ("l1", "l2"):
            require_number(name, getattr(self, name), 0.0, 1e300)
            object.__setattr__(self, name, float(getattr(self, name)))

    @classmethod
    def of(cls, c: float, l1_ratio: float, weight: float) -> "Penalty":
        """Return the penalty in scikit-learn's terms, where C multiplies the sum of losses.

        Parameters
        ----------
        c : float
            Inverse strength above 0; infinity is no penalty.
        l1_ratio : float
            Share of the absolute values, 0 to 1.
        weight : float
            Sum of the samples' weights.
        """
        strength = 0.0 if math.isinf(c) else 1.0 / (c * weight)
        return cls(l1=strength * l1_ratio, l2=strength * (1.0 - l1_ratio))

    @property
    def kind(self) -> Kind:
        """What it is called."""
        if self.l1 > 0.0:
            return "elastic-net" if self.l2 > 0.0 else "l1"
        return "l2" if self.l2 > 0.0 else "none"

    def value(self, weights: Floats) -> float:
        """Return the penalty of coefficients of any shape."""
        squares = 0.5 * self.l2 * float(np.vdot(weights, weights))
        return self.l1 * float(np.abs(weights).sum()) + squares

    def prox(self, weights: Floats, step: float) -> Floats:
        """Return argmin over u of |u - weights|^2 / 2 + step * penalty(u), element by element."""
        shrunk = np.sign(weights) * np.maximum(np.abs(weights) - step * self.l1, 0.0)
        return shrunk / (1.0 + step * self.l2)

    def subgradient_distance(self, weights: Floats, gradient: Floats) -> Floats:
        """Return the smallest |s|, s in the subdifferential of loss + penalty, per element.

        Parameters
        ----------
        weights : array
            Coefficients.
        gradient : array of the same shape
            Gradient of the loss alone.
        """
        smooth = gradient + self.l2 * weights
        there = np.abs(smooth + self.l1 * np.sign(weights))
        return np.where(weights != 0.0, there, np.maximum(np.abs(smooth) - self.l1, 0.0))
