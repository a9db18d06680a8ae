"""How a fit went: where it ended, why, and what it took."""

from dataclasses import dataclass
from enum import StrEnum

from core.logistic._types import Floats
from core.logistic.objective import Objective, Point


class Reason(StrEnum):
    """Why a solver stopped."""

    CONVERGED = "converged"
    """The largest entry of the minimum-norm subgradient is at most the tolerance."""
    ITERATIONS = "iterations"
    """The number of iterations that was allowed is used up."""
    PRECISION = "precision"
    """No step lowers the objective any more: the tolerance is below what rounding lets reach."""


class SeparationWarning(UserWarning):
    """The classes can be told apart without error: unpenalised coefficients have no optimum."""


class CollinearWarning(UserWarning):
    """Columns say the same and no penalty decides between them: coefficients are not unique."""


class ConvergenceWarning(UserWarning):
    """The optimum was not reached to the tolerance."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Parameters and how they were found."""

    theta: Floats
    """(row, feature + 1) coefficients, last column the intercepts; one row for two classes."""
    value: float
    """The objective there: weighted mean cross-entropy plus penalty."""
    kkt: float
    """Largest entry of the minimum-norm subgradient there, for standardised columns."""
    iterations: int
    """Iterations; epochs of sag and saga; of one-vs-rest the most of any class."""
    passes: int
    """Passes over the data, those of sums as those of single steps."""
    trace: Floats
    """(iteration + 1,) the objective after each."""
    reason: Reason
    """Why it ended."""
    solver: str
    """Who found them."""
    one_vs_rest: bool = False
    """Each class was fitted against the others, by itself."""
    separated: bool = False
    """Unpenalised, and the classes can be told apart: the true coefficients are infinite."""


class Run:
    """The bookkeeping that all solvers share: trace, best point, when to stop."""

    def __init__(self, objective: Objective, tol: float, max_iter: int) -> None:
        self.objective, self.tol, self.max_iter = objective, tol, max_iter
        self.trace: list[float] = []
        self.point: Point | None = None
        self.reason: Reason | None = None

    @property
    def iterations(self) -> int:
        """Iterations so far."""
        return max(len(self.trace) - 1, 0)

    def see(self, point: Point) -> bool:
        """Take note of the start or of an iteration's end; say whether to stop."""
        self.trace.append(point.value)
        self.point = point
        if point.kkt <= self.tol:
            self.reason = Reason.CONVERGED
        elif self.iterations >= self.max_iter:
            self.reason = Reason.ITERATIONS
        return self.reason is not None
