"""What each solver can do, said once: checked before a fit, printed in docs/solvers.md."""

from collections.abc import Callable
from dataclasses import dataclass

from core.logistic._types import Floats
from core.logistic.objective import Objective, Point
from core.logistic.penalty import Kind
from core.logistic.result import Run
from core.logistic.solvers.fista import fista
from core.logistic.solvers.lbfgs import lbfgs
from core.logistic.solvers.liblinear import liblinear
from core.logistic.solvers.newton import MOST_PARAMETERS, newton_cholesky, prox_newton
from core.logistic.solvers.newton_cg import newton_cg
from core.logistic.solvers.sag import sag, saga

AUTO = "auto"
FAR = 1e6
"""Spreads from 0 beyond which a Hessian of columns that are not centred has lost its digits."""
_SMALL = 1500
"""Parameters up to which the whole Hessian is the fastest way."""


@dataclass(frozen=True, kw_only=True)
class Solver:
    """A solver and its abilities; all take dense and CSR data, float32 and float64, weights."""

    run: Callable[[Objective, Floats, Run], Point]
    penalties: tuple[Kind, ...]
    multinomial: bool = True
    """Several classes in one model; otherwise one against the rest, each class by itself."""
    rows: bool = False
    """Steps along single samples or columns: the data must be in this process."""
    hessian: bool = False
    """Keeps a matrix of (parameters, parameters)."""
    max_iter: int
    """Iterations that are allowed if nothing is said."""
    about: str


_SMOOTH: tuple[Kind, ...] = ("none", "l2")
_ALL: tuple[Kind, ...] = ("none", "l2", "l1", "elastic-net")

SOLVERS: dict[str, Solver] = {
    "lbfgs": Solver(
        run=lbfgs, penalties=_SMOOTH, max_iter=15_000, about="many features; one pass an iteration"
    ),
    "newton-cg": Solver(
        run=newton_cg, penalties=_SMOOTH, max_iter=200, about="many features, high accuracy"
    ),
    "newton-cholesky": Solver(
        run=newton_cholesky, penalties=_SMOOTH, hessian=True, max_iter=200,
        about="few features: fewest passes, the default for smooth penalties",
    ),
    "liblinear": Solver(
        run=liblinear, penalties=("l2", "l1", "elastic-net"), multinomial=False, rows=True,
        max_iter=2_000, about="two classes, sparse data, L1: coordinate descent",
    ),
    "sag": Solver(
        run=sag, penalties=_ALL, rows=True, max_iter=5_000, about="many samples; KKT checked"
    ),
    "saga": Solver(
        run=saga, penalties=_ALL, rows=True, max_iter=5_000, about="many samples, sparse data, L1"
    ),
    "prox-newton": Solver(
        run=prox_newton, penalties=_ALL, hessian=True, max_iter=200,
        about="few features with L1: fewest passes, the default for it",
    ),
    "fista": Solver(
        run=fista, penalties=_ALL, max_iter=50_000, about="L1 with many features, in chunks"
    ),
}  # fmt: skip


def choose(penalty: Kind, parameters: int, classes: int, local: bool, *, far: bool = False) -> str:
    """Return the solver that suits a problem; `far`, if columns lie farther from 0 than `FAR`."""
    smooth = penalty in _SMOOTH
    if smooth and far:
        return "newton-cg"
    if parameters <= _SMALL:
        return "newton-cholesky" if smooth else "prox-newton"
    if smooth:
        return "lbfgs"
    return "liblinear" if local and classes == 2 else "fista"


def require_able(name: str, penalty: Kind, parameters: int, local: bool) -> Solver:
    """Return a solver that can do what is asked; refuse others, naming those that can.

    Raises
    ------
    ValueError
        If there is no such solver, or it cannot take this penalty, size or place of the data.
    """
    if name not in SOLVERS:
        names = ", ".join([AUTO, *SOLVERS])
        raise ValueError(f"solver must be one of {names}, got {name!r}")
    solver = SOLVERS[name]
    if penalty not in solver.penalties:
        able = ", ".join(key for key, other in SOLVERS.items() if penalty in other.penalties)
        raise ValueError(f"solver {name!r} cannot take the penalty {penalty!r}; these can: {able}")
    if solver.rows and not local:
        able = ", ".join(key for key, other in SOLVERS.items() if not other.rows)
        raise ValueError(
            f"solver {name!r} steps along single samples and needs the data in this process, not "
            f"on a cluster; these work from sums alone: {able}"
        )
    if solver.hessian and parameters > MOST_PARAMETERS:
        gigabytes = 8e-9 * parameters**2
        able = "lbfgs or newton-cg" if penalty in _SMOOTH else "saga or fista"
        raise ValueError(
            f"solver {name!r} would keep a Hessian of {parameters} by {parameters} numbers, "
            f"{gigabytes:.0f} GB; at most {MOST_PARAMETERS} parameters are allowed: use {able}"
        )
    return solver


def table() -> str:
    """Return the table of solvers in Markdown, as docs/solvers.md has it."""
    heading = (
        "| solver | none | L2 | L1 | elastic net | more than two classes | on a cluster | for |"
    )
    lines = [heading, "|---|:-:|:-:|:-:|:-:|---|:-:|---|"]
    for name, solver in SOLVERS.items():
        penalties = " | ".join("yes" if kind in solver.penalties else "-" for kind in _ALL)
        several = "multinomial" if solver.multinomial else "one against the rest"
        cluster = "-" if solver.rows else "yes"
        lines.append(f"| `{name}` | {penalties} | {several} | {cluster} | {solver.about} |")
    return "\n".join(lines) + "\n"
