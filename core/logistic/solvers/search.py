"""The line search of the Newton solvers."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from core.logistic._types import Floats
from core.logistic.objective import Objective, Point

Probe = TypeVar("Probe", Point, tuple[Point, Floats])
_HALVINGS = 40
_ROUNDING = 1e-15


def backtrack(
    objective: Objective,
    point: Point,
    step: Floats,
    probe: Callable[[Floats], Probe],
) -> Probe | None:
    """Halve a step until the objective falls as its model promises; None if it never does.

    `probe` evaluates what the solver needs at the accepted point, so that the first full step,
    mostly accepted, costs one pass. Changes below the rounding of the objective are no news:
    there a step counts if it lowers the KKT distance.
    """
    promised = decrease(objective, point, step)
    if not promised > 0.0:
        return None
    length = 1.0
    for _ in range(_HALVINGS):
        found = probe(point.v + length * step)
        new = found if isinstance(found, Point) else found[0]
        slack = _ROUNDING * max(1.0, abs(point.value))
        if new.value <= point.value - 1e-4 * length * promised:
            return found
        if new.value <= point.value + slack and new.kkt < point.kkt:
            return found
        if length * promised < 1e-3 * slack:
            return None
        length *= 0.5
    return None


def decrease(objective: Objective, point: Point, step: Floats) -> float:
    """Return what the objective would fall by if its smooth part were linear."""
    moved = np.abs(point.v + step) - np.abs(point.v)
    return -float(np.vdot(point.gradient, step) + (objective.l1 * moved).sum())
