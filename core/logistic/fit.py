"""The public fit over sums: checks what is asked, runs the solver, judges the end."""

import warnings
from dataclasses import replace

import numpy as np

from core.logistic._types import Floats
from core.logistic.chunk import Chunk
from core.logistic.objective import Objective
from core.logistic.penalty import Penalty
from core.logistic.result import ConvergenceWarning, Fit, Reason, Run, SeparationWarning
from core.logistic.separation import is_separated
from core.logistic.solvers import AUTO, FAR, SOLVERS, choose, require_able
from core.logistic.statistics import Statistics
from core.logistic.sums import InMemory, Sums

_LARGEST = 1e140


def fit_logistic(
    sums: Sums,
    penalty: Penalty,
    *,
    solver: str = AUTO,
    fit_intercept: bool = True,
    tol: float = 1e-6,
    max_iter: int | None = None,
    start: Floats | None = None,
    statistics: Statistics | None = None,
) -> Fit:
    """Fit a logistic (two classes) or softmax (more) regression to what `sums` adds up.

    Parameters
    ----------
    sums : Sums
        The data: `InMemory` chunks, or sums that a cluster adds up.
    penalty : Penalty
        Of the coefficients; intercepts are free.
    solver : str
        A name of `SOLVERS`, or "auto".
    fit_intercept : bool
        Whether there are intercepts.
    tol : float
        Largest entry of the minimum-norm subgradient of the mean objective at which to stop, each
        over its column's standard deviation.
    max_iter : int, optional
        Iterations at most; by default what `SOLVERS` says.
    start : (row, feature + 1) array, optional
        Where to start; zeros by default.
    statistics : Statistics, optional
        Of the data, if they are known already.

    Returns
    -------
    Fit
        Parameters, and how they were found.

    Raises
    ------
    ValueError
        If the solver cannot do what is asked, a class has no weight, the start's shape is wrong,
        or the squares of a column overflow or vanish.
    FloatingPointError
        If a solver ends at coefficients that are not finite.

    Warns
    -----
    ConvergenceWarning
        If the tolerance was not reached.
    SeparationWarning
        If there is no penalty and the classes can be told apart: no finite optimum exists.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> chunk = Chunk(x, np.array([0, 1, 0, 1]), np.ones(4), classes=2)
    >>> fit = fit_logistic(InMemory([chunk]), Penalty(l2=0.1))
    >>> fit.theta.round(4).tolist(), str(fit.reason)
    ([[0.6367, -0.9551]], 'converged')
    """
    known = statistics or sums.statistics()
    classes = known.class_weight.size
    require_classes(known)
    require_size(known)
    rows = 1 if classes == 2 else classes
    shape = (rows, known.mean.size + 1)
    local = isinstance(sums, InMemory)
    if solver == AUTO:
        far = fit_intercept and known.distance > FAR
        solver = choose(penalty.kind, shape[0] * shape[1], classes, local, far=far)
    chosen = require_able(solver, penalty.kind, shape[0] * shape[1], local)
    theta = np.zeros(shape) if start is None else np.array(start, dtype=np.float64)
    if theta.shape != shape:
        raise ValueError(f"start has shape {theta.shape}, the parameters have {shape}")
    limit = chosen.max_iter if max_iter is None else max_iter
    if classes > 2 and not chosen.multinomial:
        assert isinstance(sums, InMemory)
        fit = _one_vs_rest(sums, penalty, solver, fit_intercept, tol, limit, theta)
    else:
        objective = Objective(sums, penalty, fit_intercept=fit_intercept, statistics=known)
        fit = _one(objective, solver, tol, limit, theta)
    _warn(fit, tol)
    return fit


def _one(objective: Objective, solver: str, tol: float, max_iter: int, theta: Floats) -> Fit:
    if not objective.fit_intercept:
        theta[:, -1] = 0.0
    run = Run(objective, tol, max_iter)
    point = SOLVERS[solver].run(objective, objective.v_of(theta), run)
    separated = objective.penalty.kind == "none" and is_separated(objective, point)
    assert run.reason is not None
    theta = objective.centred(point.theta)
    if not np.isfinite(theta).all():
        raise FloatingPointError(
            f"{solver} left the range of floating-point numbers: take another unit for columns or "
            "weights, or a stronger penalty"
        )
    return Fit(
        theta=theta,
        value=point.value,
        kkt=point.kkt,
        iterations=run.iterations,
        passes=objective.passes,
        trace=np.array(run.trace),
        reason=run.reason,
        solver=solver,
        separated=separated,
    )


def _one_vs_rest(
    sums: InMemory, penalty: Penalty, solver: str, fit_intercept: bool, tol: float, max_iter: int,
    theta: Floats,
) -> Fit:  # fmt: skip
    """Fit each class against the others; the fit's value is the sum of theirs."""
    fits = []
    for k, row in enumerate(theta):
        chunks = [
            Chunk(c.x, (c.codes == k).astype(np.int64), c.weights, classes=2) for c in sums.chunks
        ]
        objective = Objective(InMemory(chunks), penalty, fit_intercept=fit_intercept)
        fits.append(_one(objective, solver, tol, max_iter, row[None]))
    longest = max(len(fit.trace) for fit in fits)
    traces = [np.pad(fit.trace, (0, longest - len(fit.trace)), mode="edge") for fit in fits]
    worst = max(fits, key=lambda fit: fit.kkt)
    return replace(
        worst,
        one_vs_rest=True,
        theta=np.concatenate([fit.theta for fit in fits]),
        value=sum(fit.value for fit in fits),
        iterations=max(fit.iterations for fit in fits),
        passes=sum(fit.passes for fit in fits),
        trace=np.sum(traces, axis=0),
        reason=next((f.reason for f in fits if f.reason is not Reason.CONVERGED), worst.reason),
    )


def require_classes(known: Statistics) -> None:
    """Refuse data in which fewer than two classes, or not all of those named, have weight."""
    if known.weight <= 0.0:
        raise ValueError("all sample weights are zero; at least 2 classes need weight")
    if not 0.0 < 1.0 / known.weight < np.inf:
        raise ValueError(
            f"the sample weights sum to {known.weight:.2g}, out of range; scale them by a constant"
        )
    there = int((known.class_weight > 0.0).sum())
    if there < 2 or there < known.class_weight.size:
        raise ValueError(
            f"{there} of {known.class_weight.size} classes have samples with weight above 0; at "
            "least 2 classes are needed and each needs samples"
        )


def require_size(known: Statistics) -> None:
    """Refuse columns whose squares leave the range of floating-point numbers."""
    largest = known.extent
    off = np.flatnonzero((largest > 0.0) & ((largest < 1.0 / _LARGEST) | (largest > _LARGEST)))
    if off.size:
        raise ValueError(
            f"column {off[0]} has values of up to {largest[off[0]]:.2g} in size; their squares "
            f"cannot be summed: between {1.0 / _LARGEST:g} and {_LARGEST:g} is allowed (or all 0), "
            "choose another unit"
        )


def _warn(fit: Fit, tol: float) -> None:
    if fit.separated:
        warnings.warn(
            "The classes can be told apart without error (separation): without a penalty the "
            "coefficients grow for ever, those returned are where the solver stopped. Use a "
            "penalty (a finite C), or leave out the feature that tells them apart.",
            SeparationWarning,
            stacklevel=3,
        )
    if fit.reason is Reason.CONVERGED:
        return
    why = f"after {fit.iterations} iterations"
    remedy = "allow more (max_iter), or take another solver"
    if fit.reason is Reason.PRECISION:
        why = f"no step lowered the objective any more after {fit.iterations} iterations"
        remedy = "raise tol"
    warnings.warn(
        f"{fit.solver} stopped above the tolerance: {why} the subgradient's largest entry is "
        f"{fit.kkt:.2g}, tol is {tol:.2g}; {remedy}",
        ConvergenceWarning,
        stacklevel=3,
    )
