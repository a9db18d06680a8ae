"""The solvers, and what each can do."""

from core.logistic.solvers.registry import AUTO, FAR, SOLVERS, Solver, choose, require_able, table

__all__ = ["AUTO", "FAR", "SOLVERS", "Solver", "choose", "require_able", "table"]
