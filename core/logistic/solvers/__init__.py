"""The solvers, and what each can do."""

from core.logistic.solvers.registry import AUTO, SOLVERS, Solver, choose, require_able, table

__all__ = ["AUTO", "SOLVERS", "Solver", "choose", "require_able", "table"]
