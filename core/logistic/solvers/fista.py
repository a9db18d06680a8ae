"""Accelerated proximal gradients: any penalty, one fused pass per evaluation."""

import math

import numpy as np

from core.logistic._types import Floats
from core.logistic.objective import Objective, Point
from core.logistic.result import Reason, Run

_POWER_STEPS = 8


def fista(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise any objective by accelerated gradient steps that restart when they overshoot.

    References
    ----------
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm", SIAM J. Imaging
    Sci. 2 (2009) 183. B. O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient
    schemes", Found. Comput. Math. 15 (2015) 715.
    """
    point = best = objective.evaluate(start)
    if run.see(point):
        return point
    steepness = _steepness(objective, point)
    ahead, momentum, stalled = point, 1.0, 0
    while True:
        new, steepness = _step(objective, ahead, steepness)
        if run.see(new):
            return new
        stalled = 0 if new.kkt < best.kkt or new.value < best.value else stalled + 1
        best = new if new.kkt < best.kkt else best
        if stalled > 200:
            run.reason = Reason.PRECISION
            return best
        moved = new.v - point.v
        if np.vdot(ahead.v - new.v, moved) > 0.0:
            momentum, ahead = 1.0, new
        else:
            next_momentum = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum**2))
            ahead = objective.evaluate(new.v + (momentum - 1.0) / next_momentum * moved)
            momentum = next_momentum
        point = new


def _step(objective: Objective, ahead: Point, steepness: float) -> tuple[Point, float]:
    """Return the proximal gradient step, and the curvature bound it needed."""
    smooth = ahead.value - float((objective.l1 * np.abs(ahead.v)).sum())
    while True:
        target = ahead.v - ahead.gradient / steepness
        v = np.sign(target) * np.maximum(np.abs(target) - objective.l1 / steepness, 0.0)
        new = objective.evaluate(v)
        moved = v - ahead.v
        bound = smooth + float(np.vdot(ahead.gradient, moved))
        bound += 0.5 * steepness * float(np.vdot(moved, moved))
        value = new.value - float((objective.l1 * np.abs(v)).sum())
        if value <= bound + 1e-14 * max(1.0, abs(bound)) or steepness > 1e100:
            return new, steepness
        steepness *= 1.5


def _steepness(objective: Objective, point: Point) -> float:
    """Return an estimate of the largest curvature, by power iteration at the start."""
    product = objective.linearise(point)
    direction = np.random.default_rng(0).standard_normal(objective.shape)
    if not objective.fit_intercept:
        direction[:, -1] = 0.0
    largest = 1.0
    for _ in range(_POWER_STEPS):
        direction = product(direction)
        largest = float(np.linalg.norm(direction))
        if largest == 0.0:
            return 1.0
        direction = direction / largest
    return 1.1 * largest
