"""SAG and SAGA: a step for every sample along the average of all samples' last gradients."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from core.logistic import _saga_kernels as kernels
from core.logistic._types import Floats
from core.logistic.chunk import Chunk
from core.logistic.objective import Objective, Point
from core.logistic.result import Reason, Run
from core.logistic.sums import InMemory

_UNLIKE = 30.0
"""Ratio of the columns' extents, the intercept's 1 among them, from which on each has its step."""
_BOLDNESS = {
    ("sag", "dense"): 1.0,
    ("saga", "dense"): 0.4,
    ("sag", "csr"): 2.0,
    ("saga", "csr"): 2.0,
}
"""First step in units of 1 / L, tried out; the safeguard halves it where it is too long."""
_HALVINGS = 30
_PATIENCE = 30


@dataclass
class _State:
    """What the epochs work on; one table of residuals a chunk."""

    theta: Floats
    tables: list[Floats]
    mean: Floats


def sag(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise by the stochastic average gradient, over independent draws of samples.

    References
    ----------
    M. Schmidt, N. Le Roux, F. Bach, "Minimizing finite sums with the stochastic average
    gradient", Math. Prog. 162 (2017) 83.
    """
    return _Epochs(objective, "sag").minimise(start, run)


def saga(objective: Objective, start: Floats, run: Run) -> Point:
    """Minimise by SAGA, over a new order of the samples in every epoch.

    References
    ----------
    A. Defazio, F. Bach, S. Lacoste-Julien, "SAGA: a fast incremental gradient method with support
    for non-strongly convex composite objectives", NIPS 2014.
    """
    return _Epochs(objective, "saga").minimise(start, run)


class _Epochs:
    def __init__(self, objective: Objective, method: str) -> None:
        assert isinstance(objective.sums, InMemory)
        self.objective, self.saga = objective, method == "saga"
        self.chunks = [chunk for chunk in objective.sums.chunks if len(chunk.codes)]
        self.samples = sum(len(chunk.codes) for chunk in self.chunks)
        self.scale = self.samples / objective.weight
        extent = objective.statistics.extent
        used = extent[extent > 0.0]
        used = np.append(used, 1.0) if objective.fit_intercept else used
        unlike = used.size > 0 and used.max() > _UNLIKE * used.min()
        unit = np.where(extent > 0.0, 1.0 / np.where(extent > 0.0, extent, 1.0), 1.0)
        self.unit = np.append(unit if unlike else np.ones(extent.size), 1.0)
        self.even = not unlike
        form = "csr" if self.chunks[0].is_sparse else "dense"
        self.length = _BOLDNESS[method, form] / self._steepest()
        self.orders = [np.empty(len(chunk.codes), np.int64) for chunk in self.chunks]

    def _steepest(self) -> float:
        """Return the largest curvature of any sample's weighted loss, in the units of the steps."""
        bound = 0.25 if self.objective.rows == 1 else 0.5
        largest = 0.0
        for chunk in self.chunks:
            if chunk.is_sparse:
                scaled = chunk.x @ sparse.diags_array(self.unit[:-1])
                squares = np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel()
            else:
                squares = np.concatenate(
                    [((chunk.x[r] * self.unit[:-1]) ** 2).sum(axis=1) for r in chunk.blocks()]
                )
            free = 1.0 if self.objective.fit_intercept else 0.0
            largest = max(largest, float((chunk.weights * (squares + free)).max()))
        l2 = self.objective.penalty.l2 * float((self.unit[:-1] ** 2).max(initial=0.0))
        return self.scale * bound * largest + (l2 if not self.saga else 0.0)

    def minimise(self, start: Floats, run: Run) -> Point:
        """Run epochs; where they do not lower the objective, go back and halve the step."""
        objective = self.objective
        best = objective.evaluate(start)
        if run.see(best):
            return best
        state = self._fresh(best)
        first, since, halvings = best.value, 0, 0
        while True:
            self._epoch(state, len(run.trace))
            point = objective.evaluate(objective.v_of(state.theta))
            slack = 1e-3 * (first - best.value) + 1e-12 * max(1.0, abs(best.value))
            if not point.value <= best.value + slack or since > _PATIENCE:
                halvings += 1
                self.length *= 0.5
                since = 0
                state = self._fresh(best)
                point = best
            else:
                since = 0 if point.kkt < best.kkt else since + 1
                best = point if point.kkt < best.kkt or point.value < best.value else best
            if run.see(point):
                return point
            if halvings > _HALVINGS:
                run.reason = Reason.PRECISION
                return best

    def _fresh(self, point: Point) -> _State:
        """Return the state whose residuals are those at a point."""
        self.objective.passes += 1
        tables, mean = [], np.zeros(self.objective.shape)
        for chunk in self.chunks:
            z = chunk.chances(point.theta)
            if z.shape[0] == 1:
                z[0] -= chunk.codes
            else:
                z[chunk.codes, np.arange(len(chunk.codes))] -= 1.0
            z *= chunk.weights * self.scale
            mean[:, :-1] += (chunk.x.T @ z.T).T / self.samples
            mean[:, -1] += z.sum(axis=1) / self.samples
            tables.append(np.ascontiguousarray(z.T))
        return _State(point.theta.copy(), tables, mean)

    def _epoch(self, state: _State, number: int) -> None:
        self.objective.passes += 1
        step = self.length * self.unit**2
        if not self.objective.fit_intercept:
            step[-1] = 0.0
        for c in np.random.default_rng(number).permutation(len(self.chunks)):
            kernels.draw(self.orders[c], number, not self.saga)
            run = self._csr if self.chunks[c].is_sparse else self._dense
            run(self.chunks[c], state, int(c), step)

    def _dense(self, chunk: Chunk, state: _State, c: int, step: Floats) -> None:
        penalty, weights = self.objective.penalty, chunk.weights * self.scale
        kernels.dense_epoch(
            chunk.x, chunk.codes, weights, self.orders[c], state.theta, state.tables[c],
            state.mean, step, self.samples, penalty.l1, penalty.l2, self.saga,
        )  # fmt: skip

    def _csr(self, chunk: Chunk, state: _State, c: int, step: Floats) -> None:
        penalty, weights = self.objective.penalty, chunk.weights * self.scale
        order, powers = self.orders[c], np.empty(0)
        if self.even:
            shrink = -math.log1p(step[0] * penalty.l2) if len(step) > 1 else 0.0
            powers = np.expm1(np.arange(len(order) + 1) * shrink)
        rows, last = self.objective.rows, np.zeros(self.objective.features, np.int64)
        both = np.ascontiguousarray(np.vstack([state.theta[:, :-1], state.mean[:, :-1]]).T)
        free = np.stack([state.theta[:, -1], state.mean[:, -1]])
        kernels.csr_epoch(
            chunk.arrays, chunk.codes, weights, order, both, free,
            state.tables[c], powers, last, step, self.samples, penalty.l1, penalty.l2, self.saga,
            chunk.unrolled,
        )  # fmt: skip
        state.theta[:, :-1], state.mean[:, :-1] = both[:, :rows].T, both[:, rows:].T
        state.theta[:, -1], state.mean[:, -1] = free
