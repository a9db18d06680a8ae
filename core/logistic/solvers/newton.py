"""Newton's method with the whole Hessian: by Cholesky if smooth, else by coordinate descent.

The Gram pass that judges a step is already the next iteration's: a fit takes one pass more than
it has iterations, and one for every step that is refused.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from core.logistic._descent_kernels import descend_quadratic
from core.logistic._types import Floats
from core.logistic.objective import Objective, Point
from core.logistic.result import Reason, Run
from core.logistic.solvers.search import backtrack

Direction = Callable[[Objective, Point, Floats], Floats]
MOST_PARAMETERS = 20_000
_MOST_SWEEPS = 5000


def newton_cholesky(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise a smooth objective by exact Newton steps."""
    return _newton(objective, start, run, cholesky_step)


def prox_newton(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise any objective by Newton steps whose quadratic keeps the penalty's kinks.

    Without kinks they are those of `newton_cholesky`.

    References
    ----------
    J. D. Lee, Y. Sun, M. A. Saunders, "Proximal Newton-type methods for minimizing composite
    functions", SIAM J. Optim. 24 (2014) 1420.
    """

    def step(objective: Objective, point: Point, hessian: Floats) -> Floats:
        return _descent_step(objective, point, hessian, run.tol)

    return _newton(objective, start, run, step if objective.penalty.l1 > 0.0 else cholesky_step)


def _newton(objective: Objective, start: Floats, run: Run, direction: Direction) -> Point:
    point, hessian = objective.hessian(start)
    while not run.see(point):
        step = direction(objective, point, hessian)
        moved = backtrack(objective, point, step, objective.hessian)
        if moved is None:
            run.reason = Reason.PRECISION
            break
        point, hessian = moved
    return point


def cholesky_step(objective: Objective, point: Point, hessian: Floats) -> Floats:
    """Return the Newton step; what shifts all classes alike is held."""
    free = free_parameters(objective)
    matrix, step = hessian[np.ix_(free, free)], np.zeros(point.v.size)
    size = float(np.abs(matrix.diagonal()).max(initial=0.0)) or 1.0
    for ridge in (0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4):
        damped = matrix + ridge * size * np.eye(len(free)) if ridge else matrix
        try:
            factor = cho_factor(damped, lower=True, check_finite=False)
        except LinAlgError:
            continue
        step[free] = -cho_solve(factor, point.gradient.ravel()[free], check_finite=False)
        break
    else:
        step = -point.gradient.ravel() / size
    return step.reshape(objective.shape)


def free_parameters(objective: Objective) -> NDArray[np.intp]:
    """Return which flat parameters the objective determines, the last class's held if need be."""
    rows, size = objective.shape
    free = np.ones((rows, size), bool)
    free[:, -1] = objective.fit_intercept
    if rows > 1:
        free[-1, -1] = False
        free[-1, :-1] = objective.penalty.kind != "none"
    return np.flatnonzero(free)


def _descent_step(objective: Objective, point: Point, hessian: Floats, tol: float) -> Floats:
    step = np.zeros(point.v.size)
    rows = objective.rows
    # The closer to the optimum, the more exactly is the quadratic solved: quadratic convergence.
    wanted = max(1e-3 * point.kkt * min(1.0, 10.0 * point.kkt), 1e-3 * tol)
    gradient, v = point.gradient.ravel(), point.v.ravel()
    l1, tols = np.tile(objective.l1, rows), np.tile(wanted * objective.judged, rows)
    descend_quadratic(hessian, gradient, v, l1, step, _MOST_SWEEPS, tols)
    return step.reshape(objective.shape)
