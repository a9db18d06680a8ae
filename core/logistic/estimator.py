"""The classifier with scikit-learn's interface."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from core.checks import require_number
from core.logistic import _checks as checks
from core.logistic._protocol import Parameters
from core.logistic._types import Floats, Given
from core.logistic.covariance import standard_errors
from core.logistic.fit import fit_logistic, require_classes
from core.logistic.objective import Objective
from core.logistic.penalty import Penalty
from core.logistic.prepare import ClassWeight, prepare
from core.logistic.result import Fit
from core.logistic.solvers import AUTO
from core.logistic.sums import Sums
from core.softmax import log_softmax, softmax


class LogisticClassifier(Parameters):
    """Logistic (two classes) and softmax (more) regression, over arrays or over chunks.

    It minimises C sum s_i CE_i + l1_ratio |W|_1 + (1 - l1_ratio) / 2 |W|^2, which is scikit-learn's
    objective; intercepts are never penalised, by no solver.

    Parameters
    ----------
    C : float, default 1.0
        Inverse strength of the penalty, above 0; `numpy.inf` is no penalty.
    l1_ratio : float, default 0.0
        Share of the absolute values in the penalty: 0 is L2, 1 is L1, between is elastic net.
    solver : str, default "auto"
        lbfgs, newton-cg, newton-cholesky, liblinear (of more than two classes each against the
        rest), sag, saga, prox-newton, fista; "auto" takes what suits: see docs/solvers.md.
    fit_intercept : bool, default True
        Whether there are intercepts.
    class_weight : mapping, "balanced" or None, default None
        Factors of the samples' weights by class.
    tol : float, default 1e-6
        The fit ends where the largest entry of the minimum-norm subgradient of the objective,
        divided by C and by the sum of weights, is at most this; the derivative by a coefficient
        is divided by its column's standard deviation, so that the columns' units do not matter.
    max_iter : int or None, default None
        Iterations (epochs of sag and saga) at most; by default the solver's own limit.
    warm_start : bool, default False
        Start from the coefficients of the last fit.

    Attributes
    ----------
    classes_ : (class,) array
        The labels, sorted.
    coef_ : (1 or class, feature) array
        Coefficients; of two classes those of the second.
    intercept_ : (1 or class,) array
        Intercepts.
    n_iter_ : (1,) array
        Iterations.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : (feature,) array
        Names of the columns, if the fit was given a table with such.
    result_ : Fit
        Objective, KKT distance, passes, trace, and why the solver stopped.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LogisticClassifier().fit(x, ["low", "low", "high", "high"])
    >>> model.predict([[0.5], [2.5]]).tolist()
    ['low', 'high']
    >>> model.predict_proba([[1.5]]).round(6).tolist()
    [[0.5, 0.5]]
    """

    classes_: NDArray[Any]
    coef_: Floats
    intercept_: Floats
    n_iter_: NDArray[np.int32]
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    result_: Fit

    def __init__(
        self,
        C: float = 1.0,
        *,
        l1_ratio: float = 0.0,
        solver: str = AUTO,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        tol: float = 1e-6,
        max_iter: int | None = None,
        warm_start: bool = False,
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def fit(self, X: Given, y: Given, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to samples in one piece.

        Parameters
        ----------
        X : (sample, feature) array_like or sparse
            Features: finite; float32 stays float32.
        y : (sample,) array_like
            Labels: texts, whole numbers or booleans.
        sample_weight : (sample,) array_like, optional
            Weights: 2 is as a sample that comes twice.

        Returns
        -------
        LogisticClassifier
            Itself.

        Raises
        ------
        ValueError
            If data or parameters are not as above, or there are fewer than two classes.

        Warns
        -----
        ConvergenceWarning, SeparationWarning
            See `fit_logistic`.
        """
        return self._fit([(X, y, sample_weight)])

    def fit_chunks(self, chunks: Iterable[tuple[Any, ...]]) -> Self:
        """Fit to samples in several pieces, that are never put together.

        Parameters
        ----------
        chunks : iterable of (X, y) or (X, y, sample_weight)
            As `fit` takes them; memory-mapped arrays stay on disk. A class may be missing in some,
            and some may be empty; the columns of tables must have the same names in all.
            liblinear copies them into one.

        Returns
        -------
        LogisticClassifier
            Itself: the same coefficients, to the tolerance, however the samples are cut.
        """
        return self._fit(list(chunks))

    def fit_sums(self, sums: Sums, classes: NDArray[Any]) -> Self:
        """Fit to what adds up the sums over all samples, in this process or on a cluster.

        Parameters
        ----------
        sums : Sums
            The data; `class_weight` must be in its weights.
        classes : (class,) array
            The labels that the class numbers stand for.
        """
        self._check_parameters()
        known = sums.statistics()
        require_classes(known)
        penalty = Penalty.of(self.C, self.l1_ratio, known.weight)
        start = self._start(classes, known.mean.size) if self.warm_start else None
        fit = fit_logistic(
            sums,
            penalty,
            solver=self.solver,
            fit_intercept=bool(self.fit_intercept),
            tol=self.tol,
            max_iter=self.max_iter,
            start=start,
            statistics=known,
        )
        self.result_, self.classes_ = fit, classes
        self.coef_, self.intercept_ = fit.theta[:, :-1].copy(), fit.theta[:, -1].copy()
        self.n_features_in_ = self.coef_.shape[1]
        self.n_iter_ = np.array([max(fit.iterations, 1)], dtype=np.int32)
        return self

    def decision_function(self, X: Given) -> Floats:
        """Return the logits: (sample,) of two classes, (sample, class) of more."""
        self._require_fitted()
        checks.require_same_names(getattr(self, "feature_names_in_", None), X, type(self).__name__)
        x = checks.to_features(X)
        if x.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {x.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        logits = np.asarray(x @ self.coef_.T) + self.intercept_
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X: Given) -> NDArray[Any]:
        """Return each sample's likeliest class."""
        logits = self.decision_function(X)
        codes = (logits > 0).astype(np.intp) if logits.ndim == 1 else logits.argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def predict_proba(self, X: Given) -> Floats:
        """Return the (sample, class) probabilities; of one against the rest, made to sum to 1."""
        logits = self.decision_function(X)
        if logits.ndim == 1:
            return np.stack([expit(-logits), expit(logits)], axis=1)
        if not self._one_vs_rest:
            return softmax(logits)
        return np.exp(self._log_shares(logits))

    def predict_log_proba(self, X: Given) -> Floats:
        """Return the logarithms of the probabilities: finite where those have become 0."""
        logits = self.decision_function(X)
        if logits.ndim == 1:
            return np.stack([log_expit(-logits), log_expit(logits)], axis=1)
        return self._log_shares(logits) if self._one_vs_rest else log_softmax(logits)

    def score(self, X: Given, y: Given, sample_weight: ArrayLike | None = None) -> float:
        """Return the weighted share of samples whose class is predicted."""
        right = self.predict(X) == np.asarray(y)
        weights = checks.to_weights(sample_weight, len(right))
        return float(np.average(right, weights=weights))

    def standard_errors(
        self,
        X: Given,
        y: Given,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> tuple[Floats, Floats]:
        """Return the standard errors of `coef_` and `intercept_`, from the samples of the fit.

        See `core.logistic.covariance.standard_errors`; weights count as repetitions, and groups
        make errors that are robust to what their samples have in common.
        """
        self._require_fitted()
        sums, classes = prepare([(X, y, sample_weight)], self.class_weight)
        self._require_same_samples(sums.chunks[0].x.shape[1], classes)
        known = sums.statistics()
        penalty = Penalty.of(self.C, self.l1_ratio, known.weight)
        objective = Objective(
            sums, penalty, fit_intercept=bool(self.fit_intercept), statistics=known
        )
        errors = standard_errors(objective, self.result_, groups)
        return errors[:, :-1], errors[:, -1]

    def _require_same_samples(self, features: int, classes: NDArray[Any]) -> None:
        if features != self.n_features_in_:
            raise ValueError(
                f"X has {features} features, the fit had {self.n_features_in_}; standard errors "
                "need the samples of the fit"
            )
        if classes.tolist() != self.classes_.tolist():
            raise ValueError(
                f"y has the classes {classes.tolist()}, the fit had {self.classes_.tolist()}; "
                "standard errors need the samples of the fit"
            )

    @property
    def _one_vs_rest(self) -> bool:
        return self.result_.one_vs_rest

    @staticmethod
    def _log_shares(logits: Floats) -> Floats:
        return log_softmax(log_expit(logits))

    def _fit(self, parts: list[tuple[Given, ...]]) -> Self:
        self._check_parameters()
        names = checks.names_of_all([part[0] for part in parts]) if parts else None
        sums, classes = prepare(parts, self.class_weight)
        self.fit_sums(sums, classes)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _start(self, classes: NDArray[Any], features: int) -> Floats | None:
        """Return the last fit's parameters, if they are of the same shape."""
        rows = 1 if len(classes) == 2 else len(classes)
        if not hasattr(self, "coef_") or self.coef_.shape != (rows, features):
            return None
        return np.column_stack([self.coef_, self.intercept_])

    def _check_parameters(self) -> None:
        if not self.C > 0.0:
            raise ValueError(f"C must be above 0 (numpy.inf is no penalty), got {self.C!r}")
        require_number("l1_ratio", self.l1_ratio, 0.0, 1.0)
        require_number("tol", self.tol, 0.0, 1e300)
        if self.max_iter is not None:
            require_number("max_iter", self.max_iter, 0, 1e9)
