"""Whether the classes can be told apart without error, so that no finite optimum exists."""

import numpy as np

from core.logistic.objective import Objective, Point
from core.logistic.solvers.newton import MOST_PARAMETERS, cholesky_step

_MOST = min(2_000, MOST_PARAMETERS)
_MOVES = 0.1
"""Least change of a logit by a Newton step that is taken for growth: at an optimum it is 0."""
_LEVEL = 1e-3


def is_separated(objective: Objective, point: Point) -> bool:
    """Say if an unpenalised fit runs away along a direction in which no sample loses.

    Complete separation is certain: every sample's own class leads at the point. Overlap in single
    values (quasi-complete) is seen by the Newton step, which then still changes logits, and for no
    sample to its disadvantage, beyond a thousandth of the largest change.

    References
    ----------
    A. Albert, J. A. Anderson, "On the existence of maximum likelihood estimates in logistic
    regression models", Biometrika 71 (1984) 1.
    """
    least, _ = objective.sums.margins(point.theta)
    if least > 0.0:
        return True
    if point.theta.size > _MOST:
        return False
    at, hessian = objective.hessian(point.v)
    step = objective.theta_of(cholesky_step(objective, at, hessian))
    if not np.isfinite(step).all():
        return False
    least, largest = objective.sums.margins(step)
    return largest > _MOVES and least >= -_LEVEL * largest
