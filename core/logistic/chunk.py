"""A chunk of samples, and the sums over it: all that a fit ever asks of the data."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.linalg.blas import dsyrk

from core.logistic import _kernels as kernels
from core.logistic._types import Compressed, Floats, Integers, Matrix, compressed, is_sparse
from core.logistic.statistics import Statistics, statistics_of

_GEMM_FROM = 600
"""Parameters of one sample's logits from which on a matrix product beats our loop."""
_BLOCK_BYTES = 1_000_000
_UNROLLED = 4
"""Rows up to which the sparse loops are compiled for their number."""


@dataclass(frozen=True)
class Chunk:
    """Samples with their classes by number and their weights.

    Every method returns a tuple of plain sums: those of a whole data set are the sums of its
    chunks', in any order.
    """

    x: Matrix
    """(sample, feature) float32 or float64: C-ordered array or scipy.sparse CSR."""
    codes: Integers
    """(sample,) class numbers, from 0."""
    weights: Floats
    """(sample,) weights, 0 or more."""
    classes: int
    """How many classes the whole data set has, in this chunk or not."""
    block: int = field(init=False)

    def __post_init__(self) -> None:
        bytes_a_row = 8 * max(1, self.x.shape[1] + 1)
        object.__setattr__(self, "block", max(256, _BLOCK_BYTES // bytes_a_row))

    @property
    def rows(self) -> int:
        """Rows of the parameters: one for two classes."""
        return 1 if self.classes == 2 else self.classes

    @property
    def is_sparse(self) -> bool:
        """Whether x is CSR."""
        return is_sparse(self.x)

    def statistics(self) -> Statistics:
        """Return what is known before the fit: counts, means, spreads, extents."""
        return statistics_of(self.x, self.codes, self.weights, self.classes)

    def loss_gradient(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the weighted sum of the cross-entropies, () array, and its gradient."""
        if self.is_sparse:
            turned = np.zeros(theta.shape[::-1])
            loss = kernels.csr_loss_gradient(
                self.arrays, self.codes, self.weights, _turn(theta), self.unrolled, turned
            )
            return np.array(loss), _turn(turned)
        gradient = np.zeros_like(theta)
        if theta.size < _GEMM_FROM:
            loss = kernels.dense_loss_gradient(self.x, self.codes, self.weights, theta, gradient)
            return np.array(loss), gradient
        total = 0.0
        for rows in self.blocks():
            x = self.x[rows]
            z = theta[:, :-1] @ x.T + theta[:, -1:]
            total += kernels.residuals(z, self.codes[rows], self.weights[rows])
            gradient[:, :-1] += z @ x
            gradient[:, -1] += z.sum(axis=1)
        return np.array(total), gradient

    def logits(self, theta: Floats) -> Floats:
        """Return x theta, (row, sample)."""
        out = np.empty((theta.shape[0], len(self.codes)))
        if self.is_sparse:
            kernels.csr_logits(self.arrays, _turn(theta), self.unrolled, out)
        elif theta.size < _GEMM_FROM:
            kernels.dense_logits(self.x, theta, out)
        else:
            np.matmul(theta[:, :-1], self.x.T, out=out)
            out += theta[:, -1:]
        return out

    def chances(self, theta: Floats) -> Floats:
        """Return the probabilities, (row, sample)."""
        out = self.logits(theta)
        kernels.probabilities(out)
        return out

    def residuals(self, theta: Floats) -> Floats:
        """Return the weights times (probability - truth), (row, sample)."""
        out = self.logits(theta)
        kernels.residuals(out, self.codes, self.weights)
        return out

    def curvature(self, chances: Floats, direction: Floats) -> tuple[Floats]:
        """Return the Hessian of the summed loss times a direction, at the given probabilities."""
        if self.is_sparse:
            turned = np.zeros(direction.shape[::-1])
            kernels.csr_curvature(
                self.arrays, self.weights, chances, _turn(direction), self.unrolled, turned
            )
            return (_turn(turned),)
        out = np.zeros_like(direction)
        if direction.size < _GEMM_FROM:
            kernels.dense_curvature(self.x, self.weights, chances, direction, out)
            return (out,)
        for rows in self.blocks():
            x = self.x[rows]
            z = direction[:, :-1] @ x.T + direction[:, -1:]
            kernels.curve(z, np.ascontiguousarray(chances[:, rows]), self.weights[rows])
            out[:, :-1] += z @ x
            out[:, -1] += z.sum(axis=1)
        return (out,)

    def gram(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return loss, gradient and the blocks of the Hessian, (pair, feature + 1, feature + 1).

        With two classes the one block is the Hessian, the sum of s p (1 - p) x x'. With more there
        is one for each pair k < l, A_kl = sum of s p_k p_l x x': the Hessian has -A_kl beside the
        diagonal and the sum of A_kl over l on it.
        """
        size = theta.shape[1]
        gradient = np.zeros_like(theta)
        blocks = [np.zeros((size, size), order="F") for _ in _pairs(self.rows)]
        total = 0.0
        for rows in self.blocks():
            x = _with_ones(self.x[rows])
            z = np.ascontiguousarray(theta @ x.T) if not self.is_sparse else (x @ theta.T).T.copy()
            chances = z.copy()
            kernels.probabilities(chances)
            total += kernels.residuals(z, self.codes[rows], self.weights[rows])
            gradient += z @ x
            for block, (k, other) in zip(blocks, _pairs(self.rows), strict=True):
                product = chances[k] * (1.0 - chances[k] if other is None else chances[other])
                _add_gram(x, self.weights[rows] * product, block)
        if not self.is_sparse:
            blocks = [np.triu(block) + np.triu(block, 1).T for block in blocks]
        return np.array(total), gradient, np.array(blocks)

    def margins(self, theta: Floats) -> tuple[float, float]:
        """Return the least and the largest lead of a sample's own logit over the others'."""
        z = self.logits(theta)[:, self.weights > 0]
        if z.size == 0:
            return np.inf, -np.inf
        codes = self.codes[self.weights > 0]
        if self.rows == 1:
            lead = np.where(codes == 1, z[0], -z[0])
        else:
            at = np.arange(len(codes))
            own = z[codes, at].copy()
            z[codes, at] = -np.inf
            lead = own - z.max(axis=0)
        return float(lead.min()), float(lead.max())

    @property
    def arrays(self) -> Compressed:
        """The arrays of a CSR x."""
        return compressed(self.x)

    @property
    def unrolled(self) -> tuple[int, ...]:
        """Tell the sparse loops their number of rows, by a tuple's length, where it is small."""
        return (0,) * self.rows if self.rows <= _UNROLLED else ()

    def blocks(self) -> list[slice]:
        """Return ranges of samples that fit the cache."""
        return [slice(i, i + self.block) for i in range(0, len(self.codes), self.block)]


def _turn(theta: Floats) -> Floats:
    return np.ascontiguousarray(theta.T)


def _pairs(rows: int) -> list[tuple[int, int | None]]:
    if rows == 1:
        return [(0, None)]
    return [(k, other) for k in range(rows) for other in range(k + 1, rows)]


def _with_ones(x: Matrix) -> Matrix:
    if is_sparse(x):
        ones = sparse.csr_array(np.ones((x.shape[0], 1)))
        return sparse.csr_array(sparse.hstack([x, ones], format="csr"), dtype=np.float64)
    out = np.ones((x.shape[0], x.shape[1] + 1))
    out[:, :-1] = x
    return out


def _add_gram(x: Matrix, weights: Floats, out: Floats) -> None:
    """Add the weighted sum of x x' to out: of a dense x its upper triangle only."""
    if is_sparse(x):
        out += (x.T @ (sparse.diags_array(weights) @ x)).toarray()
        return
    scaled = x * np.sqrt(weights)[:, None]
    dsyrk(1.0, scaled.T, beta=1.0, c=out, overwrite_c=1)
