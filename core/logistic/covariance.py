"""Standard errors of the coefficients, from the curvature at the optimum."""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from core.logistic._types import Floats
from core.logistic.chunk import Chunk
from core.logistic.objective import Objective
from core.logistic.result import CollinearWarning, Fit
from core.logistic.solvers.newton import free_parameters
from core.logistic.sums import InMemory

_FLAT = 1e-13
"""Curvature, in units of the largest, that counts as none."""


def standard_errors(objective: Objective, fit: Fit, groups: ArrayLike | None = None) -> Floats:
    """Return the standard errors of a smooth fit's parameters, in one pass over the data.

    The square roots of the diagonal of the inverse of S H, where H is the Hessian of the mean
    objective and S the sum of weights: the observed information. With L2 it is the posterior
    deviation under the normal prior that the penalty stands for. Parameters of several classes are
    those whose free parts sum to 0.

    With groups they are robust to what the samples of a group have in common: (S H)^-1 B (S H)^-1,
    where B is the scatter of the groups' summed gradients about their mean times G / (G - 1). They
    are too small where groups are few, or fewer than parameters.

    Parameters
    ----------
    objective : Objective
        Of the fit.
    fit : Fit
        Its optimum.
    groups : (sample,) array_like, optional
        Each sample's group, in the order of the chunks, which must be in memory.

    Returns
    -------
    (row, feature + 1) array
        Errors of `fit.theta`; 0 for an intercept that is not fitted.

    Raises
    ------
    ValueError
        If the penalty has an L1 part, each class was fitted against the rest, there is no finite
        optimum, or there are groups but not one for each sample, or fewer than two.

    Warns
    -----
    CollinearWarning
        If columns say the same and no penalty decides between them.

    References
    ----------
    D. W. Hosmer, S. Lemeshow, R. X. Sturdivant, "Applied Logistic Regression" (2013), 2.4.
    K.-Y. Liang, S. L. Zeger, "Longitudinal data analysis using generalized linear models",
    Biometrika 73 (1986) 13.
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
    covariance = _inverse(objective, hessian) / objective.weight
    if groups is not None:
        covariance = covariance @ _scatter(objective, fit.theta, np.asarray(groups)) @ covariance
    turn = objective.turn
    blocks = covariance.reshape(rows, size, rows, size)
    variances = [np.diag(turn @ blocks[k, :, k] @ turn.T) for k in range(rows)]
    return np.sqrt(np.maximum(variances, 0.0))


def _inverse(objective: Objective, hessian: Floats) -> Floats:
    """Return the pseudo-inverse; warn if more is flat than the parameters' form makes so."""
    values, vectors = np.linalg.eigh(hessian)
    steep = values > _FLAT * values.max(initial=0.0)
    missing = free_parameters(objective).size - int(steep.sum())
    if missing > 0:
        warnings.warn(
            f"{missing} of {free_parameters(objective).size} directions of the parameters are not "
            "determined: columns are constant or say the same as others. The coefficients are one "
            "choice of many, and their errors those of this choice; leave columns out, or use a "
            "penalty (a finite C)",
            CollinearWarning,
            stacklevel=4,
        )
    kept = vectors[:, steep]
    return np.asarray((kept / values[steep]) @ kept.T)


def _scatter(objective: Objective, theta: Floats, groups: NDArray[np.generic]) -> Floats:
    """Return the scatter of the groups' gradients, (parameter, parameter), in the solvers' v."""
    if not isinstance(objective.sums, InMemory):
        raise ValueError("errors that mind groups need the data in this process")
    chunks = objective.sums.chunks
    samples = sum(len(chunk.codes) for chunk in chunks)
    names, index = np.unique(groups, return_inverse=True)
    if groups.shape != (samples,) or names.size < 2:
        raise ValueError(
            f"groups has shape {groups.shape} and {names.size} different entries; ({samples},) "
            "and 2 or more are needed"
        )
    raw, start = np.zeros((names.size, *objective.shape)), 0
    for chunk in chunks:
        stop = start + len(chunk.codes)
        _add_gradients(chunk, theta, index[start:stop], raw)
        start = stop
    pulled = np.array([objective.pull(gradient).ravel() for gradient in raw])
    off = pulled - pulled.mean(axis=0)
    return np.asarray(off.T @ off * (names.size / (names.size - 1)))


def _add_gradients(chunk: Chunk, theta: Floats, index: NDArray[np.intp], out: Floats) -> None:
    """Add the gradients of a chunk's samples, by group, to (group, row, feature + 1) sums."""
    residuals = chunk.residuals(theta)
    for k, residual in enumerate(residuals):
        cells = (residual, (index, np.arange(index.size)))
        gather = sparse.csr_array(cells, shape=(len(out), index.size))
        product = gather @ chunk.x
        out[:, k, :-1] += product.toarray() if chunk.is_sparse else product
        out[:, k, -1] += np.asarray(gather.sum(axis=1)).ravel()
