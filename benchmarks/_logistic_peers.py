"""Logistic regression as others fit it; what is not installed is None."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Fitted = tuple[np.ndarray, np.ndarray]


def module(name: str) -> ModuleType | None:
    """Return an installed module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def scikit_learn(case: Any, solver: str, tol: float, max_iter: int) -> Fitted:
    """Fit with scikit-learn's LogisticRegression.

    liblinear penalises the intercept there; scaling it by 100 makes that small.
    """
    linear_model = importlib.import_module("sklearn.linear_model")
    scaling = {"intercept_scaling": 100.0} if solver == "liblinear" else {}
    model = linear_model.LogisticRegression(
        C=case.c, l1_ratio=case.l1_ratio, solver=solver, tol=tol, max_iter=max_iter, **scaling
    )
    model.fit(case.x, case.y, case.weights)
    return model.coef_, model.intercept_


def dask_ml(x: Any, y: Any, solver: str) -> Callable[[float], Fitted] | None:
    """Return the fit of dask-ml's LogisticRegression, whose intercept is penalised."""
    package = module("dask_ml.linear_model")
    if package is None:
        return None

    def fit(tol: float) -> Fitted:
        model = package.LogisticRegression(
            solver=solver, C=1.0, tol=tol, max_iter=1000, solver_kwargs={"normalize": False}
        )
        model.fit(x, y)
        return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)

    return fit
