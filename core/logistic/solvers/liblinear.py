"""Coordinate descent for two classes: along columns with kinks, along rows of the dual without.

The algorithms of LIBLINEAR, but the intercept is not penalised, weights enter every step, and the
end is judged by the KKT distance.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from core.logistic import _descent_kernels as descent
from core.logistic import _kernels as kernels
from core.logistic._types import Floats, Matrix, compressed
from core.logistic.chunk import Chunk
from core.logistic.objective import Objective, Point
from core.logistic.result import Reason, Run
from core.logistic.solvers.newton_cg import newton_cg
from core.logistic.sums import InMemory

_SWEEPS = 100
_HALVINGS = 40
_DUAL_SWEEPS = 5


def liblinear(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise for two classes: newGLMNET with an L1 part, without one as samples and features are.

    With fewer samples than features it is dual coordinate descent, otherwise Newton's method with
    conjugate gradients: the dual needs sweeps in proportion to samples / (features l2).

    References
    ----------
    G.-X. Yuan, C.-H. Ho, C.-J. Lin, "An improved GLMNET for L1-regularized logistic regression",
    JMLR 13 (2012) 1999. H.-F. Yu, F.-L. Huang, C.-J. Lin, "Dual coordinate descent methods for
    logistic regression and maximum entropy models", Machine Learning 85 (2011) 41.
    """
    assert isinstance(objective.sums, InMemory)
    chunk = joined(objective.sums.chunks)
    if objective.penalty.l1 > 0.0:
        return _along_columns(objective, chunk, start, run)
    if len(chunk.codes) > objective.features:
        return newton_cg(objective, start, run)
    return _along_rows(objective, chunk, start, run)


def joined(parts: Sequence[Chunk]) -> Chunk:
    """Return one chunk of all, copied if there are several."""
    if len(parts) == 1:
        return parts[0]
    x: Matrix
    if any(part.is_sparse for part in parts):
        x = sparse.csr_array(sparse.vstack([sparse.csr_array(part.x) for part in parts]))
    else:
        x = np.concatenate([part.x for part in parts])
    codes = np.concatenate([part.codes for part in parts])
    weights = np.concatenate([part.weights for part in parts])
    return Chunk(x, codes, weights, parts[0].classes)


def _along_columns(objective: Objective, chunk: Chunk, start: Floats, run: Run) -> Point:
    x, penalty = sparse.csc_array(chunk.x, dtype=np.float64), objective.penalty
    weights = chunk.weights / objective.weight
    theta = objective.theta_of(start)
    z = chunk.logits(theta)
    while True:
        objective.passes += 1
        chance = z.copy()
        kernels.probabilities(chance)
        residual = weights * (chance[0] - chunk.codes)
        curvature = weights * chance[0] * (1.0 - chance[0])
        gradient, stiffness = np.empty(theta.size), np.empty(theta.size - 1)
        descent.column_sums(compressed(x), residual, curvature, gradient[:-1], stiffness)
        gradient[-1] = residual.sum() if objective.fit_intercept else 0.0
        loss = kernels.residuals(z.copy(), chunk.codes, weights)
        at = objective.weight
        point = objective.point(
            objective.v_of(theta), theta, np.array(loss * at), gradient[None] * at
        )
        if run.see(point):
            return point
        step, logit = np.zeros(theta.size), np.zeros(len(chunk.codes))
        wanted = max(0.3 * point.kkt, 0.1 * run.tol) * np.append(objective.spread, 1.0)
        descent.descend_columns(
            compressed(x), curvature, gradient, stiffness, theta[0], penalty.l1,
            penalty.l2, objective.fit_intercept, _SWEEPS, wanted, step, logit,
        )  # fmt: skip
        moved = _search(objective, chunk, point, z, gradient, step, logit)
        if moved is None:
            run.reason = Reason.PRECISION
            return point
        theta, z = theta + moved * step, z + moved * logit


def _search(
    objective: Objective, chunk: Chunk, point: Point, z: Floats, gradient: Floats, step: Floats,
    logit: Floats,
) -> float | None:  # fmt: skip
    """Return the share of the step by which the objective falls; the logits suffice for that."""
    penalty, old = objective.penalty, point.theta
    weights = chunk.weights / objective.weight
    full = old + step
    promised = float(gradient @ step) + penalty.value(full[:, :-1]) - penalty.value(old[:, :-1])
    if not promised < 0.0:
        return None
    share = 1.0
    for _ in range(_HALVINGS):
        new = old + share * step
        loss = kernels.residuals(z + share * logit, chunk.codes, weights)
        value = loss + penalty.value(new[:, :-1])
        if value <= point.value + 1e-2 * share * promised + 2e-16 * max(1.0, abs(point.value)):
            return share
        share *= 0.5
    return None


def _along_rows(objective: Objective, chunk: Chunk, start: Floats, run: Run) -> Point:
    """Solve the dual; a free intercept is the limit of ever newly centred penalised ones.

    With (b - offset)^2 / (2 stiffness) added, the dual has only bounds; moving the offset to the
    last b (the proximal point method) removes the addition within a few sweeps.
    """
    point = objective.evaluate(start)
    if run.see(point):
        return point
    there = np.flatnonzero(chunk.weights > 0.0)
    x: Matrix = sparse.csr_array(chunk.x, dtype=np.float64)[there]
    bounds = chunk.weights[there] / (objective.weight * objective.penalty.l2)
    signs = np.where(chunk.codes[there] == 1, 1.0, -1.0)
    stiffness = max(1.0, 50.0 * objective.penalty.l2) if objective.fit_intercept else 0.0
    sizes = np.asarray(x.multiply(x).sum(axis=1)).ravel() + stiffness
    chance = chunk.chances(point.theta)[0, there]
    shares = np.clip(np.where(signs > 0.0, 1.0 - chance, chance), 1e-8, 1.0 - 1e-8)
    alpha = bounds[:, None] * np.stack([shares, 1.0 - shares], axis=1)
    pull = signs * alpha[:, 0]
    w, offset = np.append(x.T @ pull, pull.sum()), float(point.theta[0, -1])
    rng = np.random.default_rng(0)
    while True:
        for _ in range(_DUAL_SWEEPS):
            objective.passes += 1
            order = rng.permutation(len(alpha))
            descent.dual_sweep(
                compressed(x), signs, bounds, sizes, order, alpha, w, offset, stiffness
            )
        offset += stiffness * float(w[-1])
        theta = np.append(w[:-1], offset if objective.fit_intercept else 0.0)[None]
        point = objective.evaluate(objective.v_of(theta))
        if run.see(point):
            return point
