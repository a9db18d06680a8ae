"""Fits over a range of penalties, each started where the last one ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from core.checks import require_number
from core.logistic._types import Floats
from core.logistic.fit import fit_logistic, require_classes
from core.logistic.penalty import Penalty
from core.logistic.result import Fit
from core.logistic.solvers import AUTO
from core.logistic.statistics import Statistics
from core.logistic.sums import Sums

_DECADES = 4.0


@dataclass(frozen=True, kw_only=True)
class Path:
    """Fits from the strongest penalty to the weakest."""

    c: Floats
    """(fit,) inverse strengths, rising."""
    theta: Floats
    """(fit, row, feature + 1) parameters; the last column is the intercepts."""
    fits: Sequence[Fit]
    """How each was found."""


def fit_path(
    sums: Sums,
    c: ArrayLike | int = 20,
    *,
    l1_ratio: float = 1.0,
    solver: str = AUTO,
    fit_intercept: bool = True,
    tol: float = 1e-6,
    max_iter: int | None = None,
) -> Path:
    """Fit for many strengths of the penalty, at little more than the price of the hardest.

    Parameters
    ----------
    sums : Sums
        The data, such as `prepare` returns.
    c : array_like or int
        Inverse strengths as in `Penalty.of`, or one; an integer is how many, spread over four
        decades from the largest at which all coefficients are 0 (from 1e-2 without an L1 part).
    l1_ratio, solver, fit_intercept, tol, max_iter
        As in `LogisticClassifier`.

    Returns
    -------
    Path
        The fits, from the strongest penalty on.

    Examples
    --------
    >>> from core.logistic import prepare
    >>> sums, _ = prepare([([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 1.0]], [0, 0, 1, 0])])
    >>> path = fit_path(sums, 3)
    >>> np.count_nonzero(path.theta[:, 0, :-1], axis=1).tolist()
    [0, 2, 2]
    """
    require_number("l1_ratio", l1_ratio, 0.0, 1.0)
    known = sums.statistics()
    require_classes(known)
    if isinstance(c, Integral):
        if c < 1:
            raise ValueError(f"c, a number of fits, must be 1 or more, got {c}")
        first = largest_empty(sums, known, l1_ratio, fit_intercept) if l1_ratio > 0.0 else 1e-2
        strengths = first * np.logspace(0.0, _DECADES, int(c))
    else:
        strengths = np.sort(np.atleast_1d(np.asarray(c, dtype=np.float64)))
    if strengths.ndim != 1 or strengths.size == 0 or not (strengths > 0.0).all():
        raise ValueError(f"c must hold numbers above 0, got {strengths}")
    fits: list[Fit] = []
    for strength in strengths:
        fits.append(
            fit_logistic(
                sums,
                Penalty.of(float(strength), l1_ratio, known.weight),
                solver=solver,
                fit_intercept=fit_intercept,
                tol=tol,
                max_iter=max_iter,
                start=fits[-1].theta if fits else None,
                statistics=known,
            )
        )
    return Path(c=strengths, theta=np.array([fit.theta for fit in fits]), fits=tuple(fits))


def largest_empty(sums: Sums, known: Statistics, l1_ratio: float, fit_intercept: bool) -> float:
    """Return the largest C at which no coefficient leaves 0, from one pass over the data."""
    shares = known.class_weight / known.weight
    rows = 1 if shares.size == 2 else shares.size
    theta = np.zeros((rows, known.mean.size + 1))
    if fit_intercept:
        theta[:, -1] = np.log(shares[1] / shares[0]) if rows == 1 else np.log(shares)
    _, gradient = sums.loss_gradient(theta)
    steepest = float(np.abs(gradient[:, :-1]).max(initial=0.0))
    return l1_ratio / steepest if steepest > 0.0 else 1.0
