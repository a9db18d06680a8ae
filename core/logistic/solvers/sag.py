"""SAG and SAGA: a step for every sample along the average of all samples' last gradients."""

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
    ("sag", "smooth csr"): 1.0,
    ("saga", "smooth csr"): 1.4,
    ("sag", "kinked csr"): 2.0,
    ("saga", "kinked csr"): 2.0,
}
"""First step in units of 1 / L, tried out; the safeguard halves it where it is too long."""
_HALVINGS = 30
_PATIENCE = 30
_WINDOW = 6
"""Epochs above all of which the objective must not rise."""
_WARM = 4
"""Epochs of SAG that are SAGA's. From far off, SAG answers to gradients as old as an epoch: it
swings about the optimum in wide arcs that take many epochs to die down."""


@dataclass
class _State:
    """What the epochs work on; one table of residuals a chunk."""

    theta: Floats
    tables: list[Floats]
    mean: Floats
    age: int = 0
    """Epochs that worked on it."""


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
        form = "dense"
        if self.chunks[0].is_sparse:
            form = "kinked csr" if objective.penalty.l1 > 0.0 else "smooth csr"
        self.orders = [np.empty(len(chunk.codes), np.int64) for chunk in self.chunks]
        self.weights = [chunk.weights * self.scale for chunk in self.chunks]
        self._take(_BOLDNESS[method, form] / self._steepest())

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
        """Run epochs; where the objective rises, go back to the best point and halve the step."""
        objective = self.objective
        best = objective.evaluate(start)
        if run.see(best):
            return best
        state = self._fresh(best)
        since = halvings = 0
        while True:
            self._epoch(state, len(run.trace))
            point = objective.evaluate(objective.v_of(state.theta))
            bar = max(run.trace[-_WINDOW:]) + 1e-12 * max(1.0, abs(best.value))
            if not point.value <= bar or since > _PATIENCE:
                halvings += 1
                self._take(0.5 * self.length)
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
        for chunk, weights in zip(self.chunks, self.weights, strict=True):
            z = chunk.chances(point.theta)
            if z.shape[0] == 1:
                z[0] -= chunk.codes
            else:
                z[chunk.codes, np.arange(len(chunk.codes))] -= 1.0
            z *= weights
            mean[:, :-1] += (chunk.x.T @ z.T).T / self.samples
            mean[:, -1] += z.sum(axis=1) / self.samples
            tables.append(np.ascontiguousarray(z.T))
        return _State(point.theta.copy(), tables, mean)

    def _take(self, length: float) -> None:
        """Take steps of this length from now on."""
        self.length = length
        each = length * self.unit**2
        if not self.objective.fit_intercept:
            each[-1] = 0.0
        l2, keep, push = self.objective.penalty.l2, np.empty(0), np.empty(0)
        log_shrink = -np.log1p(each[:-1] * l2)
        if self.even and self.chunks[0].is_sparse and log_shrink.size:
            missed = np.arange(max(len(order) for order in self.orders) + 1)
            change = np.expm1(missed * log_shrink[0])
            keep, push = 1.0 + change, -change / l2 if l2 > 0.0 else missed * each[0]
        self.steps = kernels.Steps(each, np.exp(log_shrink), log_shrink, keep, push)

    def _epoch(self, state: _State, number: int) -> None:
        self.objective.passes += 1
        saga = self.saga or state.age < _WARM
        state.age += 1
        for c in np.random.default_rng(number).permutation(len(self.chunks)):
            kernels.draw(self.orders[c], number, not self.saga)
            run = self._csr if self.chunks[c].is_sparse else self._dense
            run(self.chunks[c], state, int(c), saga)

    def _dense(self, chunk: Chunk, state: _State, c: int, saga: bool) -> None:
        penalty = self.objective.penalty
        kernels.dense_epoch(
            chunk.x, chunk.codes, self.weights[c], self.orders[c], state.theta, state.tables[c],
            state.mean, self.steps.length, self.samples, penalty.l1, penalty.l2, saga,
        )  # fmt: skip

    def _csr(self, chunk: Chunk, state: _State, c: int, saga: bool) -> None:
        penalty = self.objective.penalty
        rows, last = self.objective.rows, np.zeros(self.objective.features, np.int64)
        both = np.ascontiguousarray(np.vstack([state.theta[:, :-1], state.mean[:, :-1]]).T)
        free = np.stack([state.theta[:, -1], state.mean[:, -1]])
        kernels.csr_epoch(
            chunk.arrays, chunk.codes, self.weights[c], self.orders[c], both, free,
            state.tables[c], last, self.steps, self.samples, penalty.l1, penalty.l2, saga,
            chunk.unrolled,
        )  # fmt: skip
        state.theta[:, :-1], state.mean[:, :-1] = both[:, :rows].T, both[:, rows:].T
        state.theta[:, -1], state.mean[:, -1] = free
