"""Newton's method whose steps are found by conjugate gradients, one pass a product."""

from collections.abc import Callable

import numpy as np

from core.logistic._types import Floats
from core.logistic.objective import Objective, Point
from core.logistic.result import Reason, Run
from core.logistic.solvers.search import backtrack

_MOST_PRODUCTS = 200


def newton_cg(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise a smooth objective by inexact Newton steps and a line search.

    References
    ----------
    S. C. Eisenstat, H. F. Walker, "Choosing the forcing terms in an inexact Newton method", SIAM
    J. Sci. Comput. 17 (1996) 16.
    """
    point = objective.evaluate(start)
    return point if run.see(point) else advance(objective, point, run)


def advance(objective: Objective, point: Point, run: Run) -> Point:
    """Take Newton steps from a point that the run has seen, until it says to stop."""
    while True:
        step = _solve(objective.linearise(point), point.gradient)
        moved = backtrack(objective, point, step, objective.evaluate)
        if moved is None:
            run.reason = Reason.PRECISION
            return point
        point = moved
        if run.see(point):
            return point


def _solve(product: Callable[[Floats], Floats], gradient: Floats) -> Floats:
    """Return a step d with H d close to -gradient, closer the smaller the gradient is."""
    step, residual = np.zeros_like(gradient), -gradient
    direction, size = residual.copy(), float(np.vdot(gradient, gradient))
    norm = np.sqrt(size)
    wanted = min(0.25, np.sqrt(norm)) * norm
    for _ in range(_MOST_PRODUCTS):
        turned = product(direction)
        curvature = float(np.vdot(direction, turned))
        # Along a flat direction, an equal shift of all classes, there is nothing to gain.
        if curvature <= 3e-16 * float(np.vdot(direction, direction)):
            break
        length = size / curvature
        step += length * direction
        residual -= length * turned
        new = float(np.vdot(residual, residual))
        if np.sqrt(new) <= wanted:
            break
        direction = residual + new / size * direction
        size = new
    return step if step.any() else -gradient
