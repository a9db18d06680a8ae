"""Logistic and softmax regression from sums over chunks, with every named solver."""

from core.logistic.chunk import Chunk
from core.logistic.covariance import standard_errors
from core.logistic.estimator import LogisticClassifier
from core.logistic.fit import fit_logistic
from core.logistic.objective import Objective
from core.logistic.path import Path, fit_path
from core.logistic.penalty import Penalty
from core.logistic.prepare import prepare
from core.logistic.result import (
    CollinearWarning,
    ConvergenceWarning,
    Fit,
    Reason,
    SeparationWarning,
)
from core.logistic.solvers import SOLVERS
from core.logistic.statistics import Statistics
from core.logistic.sums import InMemory, Sums

__all__ = [
    "SOLVERS",
    "Chunk",
    "CollinearWarning",
    "ConvergenceWarning",
    "Fit",
    "InMemory",
    "LogisticClassifier",
    "Objective",
    "Path",
    "Penalty",
    "Reason",
    "SeparationWarning",
    "Statistics",
    "Sums",
    "fit_logistic",
    "fit_path",
    "prepare",
    "standard_errors",
]
