"""Standard errors of the coefficients, from the curvature at the optimum."""

import numpy as np

from core.logistic._types import Floats
from core.logistic.objective import Objective
from core.logistic.result import Fit


def standard_errors(objective: Objective, fit: Fit) -> Floats:
    """Return the standard errors of a smooth fit's parameters, in one pass over the data.

    The square roots of the diagonal of the inverse of S H, where H is the Hessian of the mean
    objective and S the sum of weights: the observed information. With L2 it is the posterior
    deviation under the normal prior that the penalty stands for. Parameters of several classes are
    those whose free parts sum to 0.

    Parameters
    ----------
    objective : Objective
        Of the fit.
    fit : Fit
        Its optimum.

    Returns
    -------
    (row, feature + 1) array
        Errors of `fit.theta`; 0 for an intercept that is not fitted.

    Raises
    ------
    ValueError
        If the penalty has an L1 part, each class was fitted against the rest, or there is no
        finite optimum.

    References
    ----------
    D. W. Hosmer, S. Lemeshow, R. X. Sturdivant, "Applied Logistic Regression" (2013), 2.4.
    """
    if objective.penalty.l1 > 0.0:
        raise ValueError("standard errors need a smooth objective; this one has an L1 penalty")
    if fit.one_vs_rest:
        raise ValueError("standard errors need one model of all classes, not one against the rest")
    if fit.separated:
        raise ValueError("standard errors need a finite optimum; these classes can be told apart")
    _, hessian = objective.hessian(objective.v_of(fit.theta))
    rows, size = objective.shape
    # Only directions that change the objective are determined: the rest is shared out evenly.
    covariance = np.linalg.pinv(hessian, rcond=1e-13, hermitian=True) / objective.weight
    turn = objective.turn
    blocks = covariance.reshape(rows, size, rows, size)
    variances = [np.diag(turn @ blocks[k, :, k] @ turn.T) for k in range(rows)]
    return np.sqrt(np.maximum(variances, 0.0))
