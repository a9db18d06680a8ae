"""Limited-memory BFGS: SciPy's L-BFGS-B over one fused pass per evaluation."""

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from core.logistic._types import Floats
from core.logistic.objective import Objective, Point
from core.logistic.result import Run
from core.logistic.solvers.newton_cg import advance

_MEMORY = 10


def lbfgs(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise a smooth objective by L-BFGS-B; where rounding ends it, Newton steps finish.

    References
    ----------
    D. C. Liu, J. Nocedal, "On the limited memory BFGS method", Math. Prog. 45 (1989) 503.
    """
    point = objective.evaluate(start)
    if run.see(point):
        return point
    point = _descend(objective, point, run)
    # Its line search ends where the objective stands still; the gradient may not yet be at 0.
    return point if run.reason else advance(objective, point, run)


def _descend(objective: Objective, point: Point, run: Run) -> Point:
    latest = accepted = point

    def function(flat: Floats) -> tuple[float, Floats]:
        nonlocal latest
        v = flat.reshape(objective.shape)
        if not np.array_equal(v, latest.v):
            latest = objective.evaluate(v.copy())
        return latest.value, latest.gradient.ravel()

    def after(intermediate_result: OptimizeResult) -> None:
        nonlocal accepted
        function(intermediate_result.x)
        accepted = latest
        if run.see(accepted):
            raise StopIteration

    minimize(
        function,
        point.v.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=after,
        options={
            "gtol": 0.0,
            "ftol": 0.0,
            "maxiter": run.max_iter + 1,
            "maxfun": 10**9,
            "maxls": 50,
            "maxcor": _MEMORY,
        },
    )
    return accepted
