"""Logistic and softmax regression from sums over chunks, with every named solver."""

from core.logistic.chunk import Chunk
from core.logistic.covariance import standard_errors
from core.logistic.estimator import LogisticClassifier
from core.logistic.fit import fit_logistic
from core.logistic.objective import Objective
from core.logistic.penalty import Penalty
from core.logistic.result import ConvergenceWarning, Fit, Reason, SeparationWarning
from core.logistic.solvers import SOLVERS
from core.logistic.statistics import Statistics
from core.logistic.sums import InMemory, Sums

__all__ = [
    "SOLVERS",
    "Chunk",
    "ConvergenceWarning",
    "Fit",
    "InMemory",
    "LogisticClassifier",
    "Objective",
    "Penalty",
    "Reason",
    "SeparationWarning",
    "Statistics",
    "Sums",
    "fit_logistic",
    "standard_errors",
]
