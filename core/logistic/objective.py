"""The function that is minimised, in coordinates in which every column counts alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.logistic._types import Floats
from core.logistic.penalty import Penalty
from core.logistic.statistics import Statistics
from core.logistic.sums import Sums

_LEAST_SPREAD = 1e-9
"""Of a column in units of its mean: what is less cannot be told from rounding."""


@dataclass(frozen=True)
class Point:
    """The objective at one place."""

    v: Floats
    """(row, feature + 1) the place, in the solvers' coordinates."""
    theta: Floats
    """(row, feature + 1) the same, in the data's."""
    value: float
    """The whole objective, penalty included."""
    gradient: Floats
    """(row, feature + 1) derivative of its smooth part with respect to v."""
    kkt: float
    """Largest entry of the minimum-norm subgradient for standardised columns: 0 at the optimum."""


class Objective:
    """Weighted mean cross-entropy plus a penalty.

    F(W, b) = sum s_i CE_i / S + l1 |W|_1 + l2 / 2 |W|^2 with S = sum s_i and b free.

    Solvers move v: W = D v, b = v_0 - W mean, where D_j = 1 / sqrt(h var_j + l2) and h is the
    curvature of the loss at 0. This changes no value of F, only how round its contours are:
    columns of other units, or up to a million of their spreads from 0, converge as others do
    (farther off the sums lose the digits that would tell them from their mean). The end is judged
    in such coordinates too: each derivative over its column's standard deviation, which is that of
    the coefficient of the standardised column, whatever the column's unit.

    Parameters
    ----------
    sums : Sums
        The data.
    penalty : Penalty
        Of the coefficients.
    fit_intercept : bool
        Whether b is free, or 0.
    statistics : Statistics, optional
        Of the data, if they are known already.
    """

    def __init__(
        self,
        sums: Sums,
        penalty: Penalty,
        *,
        fit_intercept: bool = True,
        statistics: Statistics | None = None,
    ) -> None:
        self.sums, self.penalty, self.fit_intercept = sums, penalty, fit_intercept
        self.statistics = statistics or sums.statistics()
        self.passes = 0 if statistics else 1
        self.weight = self.statistics.weight
        classes = self.statistics.class_weight.size
        self.rows = 1 if classes == 2 else classes
        self.features = self.statistics.mean.size
        self._set_units(1.0 / classes * (1.0 - 1.0 / classes))

    def _set_units(self, curvature: float) -> None:
        known = self.statistics
        self.center = known.mean if self.fit_intercept else np.zeros(self.features)
        size = known.variance + (0.0 if self.fit_intercept else known.mean**2)
        stiff = curvature * size + self.penalty.l2
        self.unit = 1.0 / np.sqrt(np.where(stiff > 0.0, stiff, 1.0))
        spread, level = np.sqrt(size), np.abs(known.mean)
        # A constant column has no spread: its coefficient counts by its level.
        spread = np.where(spread > _LEAST_SPREAD * level, spread, level)
        self.spread = np.where(spread > 0.0, spread, 1.0)
        self.judged = np.append(self.unit * self.spread, 1.0)
        self.l1 = np.append(self.penalty.l1 * self.unit, 0.0)
        self.l2 = np.append(self.penalty.l2 * self.unit**2, 0.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the parameters."""
        return self.rows, self.features + 1

    def theta_of(self, v: Floats) -> Floats:
        """Return the parameters in the data's units."""
        theta = np.empty(self.shape)
        theta[:, :-1] = v[:, :-1] * self.unit
        theta[:, -1] = v[:, -1] - theta[:, :-1] @ self.center
        return theta

    def v_of(self, theta: Floats) -> Floats:
        """Return the parameters in the solvers' coordinates."""
        v = np.empty(self.shape)
        v[:, :-1] = theta[:, :-1] / self.unit
        v[:, -1] = theta[:, -1] + theta[:, :-1] @ self.center
        return v

    @property
    def turn(self) -> Floats:
        """(feature + 1, feature + 1) matrix that takes a row of v to the row of theta."""
        size = self.features + 1
        turn = np.zeros((size, size))
        turn[:-1, :-1] = np.diag(self.unit)
        turn[-1, :-1] = -self.unit * self.center
        turn[-1, -1] = 1.0 if self.fit_intercept else 0.0
        return turn

    def _centred(self, gradient: Floats) -> Floats:
        """Turn a derivative with respect to theta into one where the mean column is held."""
        out = np.empty(self.shape)
        out[:, :-1] = gradient[:, :-1] - np.outer(gradient[:, -1], self.center)
        out[:, -1] = gradient[:, -1] if self.fit_intercept else 0.0
        return out

    def pull(self, gradient: Floats) -> Floats:
        """Turn a derivative with respect to theta into one with respect to v."""
        return np.asarray(self._centred(gradient) * np.append(self.unit, 1.0))

    def evaluate(self, v: Floats) -> Point:
        """Return value, gradient and KKT distance, in one pass over the data."""
        self.passes += 1
        theta = self.theta_of(v)
        return self.point(v, theta, *self.sums.loss_gradient(theta))

    def point(self, v: Floats, theta: Floats, loss: Floats, gradient: Floats) -> Point:
        """Return the point whose summed loss and gradient with respect to theta are known."""
        gradient = self._centred(gradient / self.weight)
        weights = theta[:, :-1]
        distance = self.penalty.subgradient_distance(weights, gradient[:, :-1]) / self.spread
        kkt = max(float(distance.max(initial=0.0)), float(np.abs(gradient[:, -1]).max()))
        value = float(loss) / self.weight + self.penalty.value(weights)
        smooth = gradient * np.append(self.unit, 1.0) + self.l2 * v
        return Point(v, theta, value, smooth, kkt if np.isfinite(value) else np.inf)

    def linearise(self, point: Point) -> Callable[[Floats], Floats]:
        """Return the function that multiplies the smooth part's Hessian with a direction in v."""
        product = self.sums.linearise(point.theta)

        def apply(direction: Floats) -> Floats:
            self.passes += 1
            raw = product(self.theta_of(direction)) / self.weight
            return self.pull(raw) + self.l2 * direction

        return apply

    def hessian(self, v: Floats) -> tuple[Point, Floats]:
        """Return the point and the smooth part's Hessian in v, from one pass over the data."""
        self.passes += 1
        theta = self.theta_of(v)
        loss, gradient, blocks = self.sums.gram(theta)
        turn = self.turn
        blocks = turn.T @ (blocks / self.weight) @ turn
        hessian = assemble(blocks, self.rows)
        hessian[np.diag_indices_from(hessian)] += np.tile(self.l2, self.rows)
        return self.point(v, theta, loss, gradient), hessian

    def centred(self, theta: Floats) -> Floats:
        """Return the equivalent parameters of several classes whose free parts sum to 0."""
        theta = theta.copy()
        if self.rows > 1:
            if self.fit_intercept:
                theta[:, -1] -= theta[:, -1].mean()
            if self.penalty.kind == "none":
                theta[:, :-1] -= theta[:, :-1].mean(axis=0)
        return theta


def assemble(blocks: Floats, rows: int) -> Floats:
    """Return the Hessian, (row * size, row * size), of `Chunk.gram`'s blocks."""
    if rows == 1:
        return np.array(blocks[0])
    size = blocks.shape[1]
    hessian = np.zeros((rows, size, rows, size))
    pairs = [(k, other) for k in range(rows) for other in range(k + 1, rows)]
    for block, (k, other) in zip(blocks, pairs, strict=True):
        hessian[k, :, other] = hessian[other, :, k] = -block
        hessian[k, :, k] += block
        hessian[other, :, other] += block
    return hessian.reshape(rows * size, rows * size)
