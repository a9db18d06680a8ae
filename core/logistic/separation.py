"""Whether the classes can be told apart without error, so that no finite optimum exists."""

import numpy as np

from core.logistic.objective import Objective, Point
from core.logistic.solvers.newton import MOST_PARAMETERS, cholesky_step
from core.logistic.solvers.search import backtrack

_MOST = min(2_000, MOST_PARAMETERS)
_MOVES = 0.1
"""Least change of a logit by a Newton step that is taken for growth: at an optimum it is 0."""
_LEVEL = 1e-3
_STEPS = 30


def is_separated(objective: Objective, point: Point) -> bool:
    """Say if an unpenalised fit runs away along a direction in which no sample loses.

    Complete separation is certain: every sample's own class leads at the point. Overlap in single
    values (quasi-complete) is seen by the Newton step, which then still changes logits, and for no
    sample to its disadvantage, beyond a thousandth of the largest change. Where the solver was slow
    and stopped early, Newton steps first go the rest of the way.

    References
    ----------
    A. Albert, J. A. Anderson, "On the existence of maximum likelihood estimates in logistic
    regression models", Biometrika 71 (1984) 1.
    """
    if _led(objective, point):
        return True
    if point.theta.size > _MOST:
        return False
    found = objective.hessian(point.v)
    for _ in range(_STEPS):
        at, hessian = found
        step = cholesky_step(objective, at, hessian)
        if not np.isfinite(step).all():
            return False
        least, largest = objective.sums.margins(objective.theta_of(step))
        if largest > _MOVES and least >= -_LEVEL * largest:
            return True
        if max(largest, -least) <= _MOVES:
            return False
        moved = backtrack(objective, at, step, objective.hessian)
        if moved is None:
            return False
        found = moved
        if _led(objective, found[0]):
            return True
    return False


def _led(objective: Objective, point: Point) -> bool:
    """Say if every sample's own class leads."""
    return objective.sums.margins(point.theta)[0] > 0.0
