"""Softmax and its kin: accurate, for every dtype, and the same bits however classes are cut.

A row's state is its greatest logit and the sum of the exponentials of all others, kept so that any
order and grouping of merges gives the same bits; `SoftmaxState` makes and merges them.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core import _softmax_kernels
from core._softmax_logits import Floats, Logits, scaled
from core._softmax_state import SoftmaxState

__all__ = ["CrossEntropy", "SoftmaxState", "cross_entropy", "log_softmax", "logsumexp", "softmax"]

kernels: Any = _softmax_kernels  # mypy checks no calls with several unpacked tuples
Infinities = Literal["limit", "nan"]
NOWHERE = np.empty(0), np.empty(0), np.empty(0, np.int64), np.empty((0, 4))
"""In place of the arrays of a state that nobody needs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossEntropy:
    """Losses and their gradients."""

    loss: Floats
    """(row, ...) array: -log softmax at the target, in nats."""
    gradient: Floats
    """Array of the shape of the logits: the derivative of each row's loss by its logits."""


def softmax(
    logits: ArrayLike,
    axis: int | None = -1,
    *,
    temperature: float = 1.0,
    inf: Infinities = "limit",
    state: SoftmaxState | None = None,
) -> Floats:
    """Return exp(logits / temperature) divided by its sum along an axis.

    Parameters
    ----------
    logits : array
        Booleans, integers of any width, or float16, float32 or float64. NaN makes its row NaN.
    axis : int or None
        The axis of the classes; None for all axes.
    temperature : float
        From 1e-300 to 1e300, divides the logits, exactly: no rounding of the quotient shows.
    inf : {"limit", "nan"}
        Rows with inf, or with -inf alone. limit: infinite logits are the limit of equal numbers
        that grow, so that those that tie at the top share the probability: [inf, 0] gives [1, 0],
        and [-inf, -inf] gives [0.5, 0.5]. nan: such rows are NaN.
    state : SoftmaxState, optional
        The merged state of all blocks, where `logits` is but one block of the classes.

    Returns
    -------
    array
        Of the logits' shape; of their dtype if floating, else float64. Computed in double precision
        and rounded once: within 2.5 ulp.

    Raises
    ------
    ValueError
        A dtype, axis or option is not among these, or the state is of other rows.

    Notes
    -----
    Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    J. Numer. Anal. 41 (2021), for the formulas; Milakov and Gimelshein, arXiv 1805.02867, for
    states, here with the maximum kept out of the sum and the sum in exact bins.

    Examples
    --------
    >>> softmax(np.array([1, 2], np.uint8)).round(6).tolist()
    [0.268941, 0.731059]
    >>> softmax([[0.0, -np.inf, 0.0]], temperature=0.5).tolist()
    [[0.5, 0.0, 0.5]]
    """
    return _written(kernels.SHARES, Logits(logits, axis, temperature), state, _limit(inf))


def log_softmax(
    logits: ArrayLike,
    axis: int | None = -1,
    *,
    temperature: float = 1.0,
    inf: Infinities = "limit",
    state: SoftmaxState | None = None,
) -> Floats:
    """Return the logarithm of `softmax`, also where that is 0 or rounds to 1.

    Parameters and errors are those of `softmax`.

    Returns
    -------
    array
        Of the logits' shape; of their dtype if floating, else float64; within 2.5 ulp.

    Examples
    --------
    >>> log_softmax([0.0, 40.0, -1757.0]).tolist()
    [-40.0, -4.248354255291589e-18, -1797.0]
    """
    return _written(kernels.LOGS, Logits(logits, axis, temperature), state, _limit(inf))


def logsumexp(logits: ArrayLike, axis: int | None = -1, *, temperature: float = 1.0) -> Floats:
    """Return log(sum(exp(logits / temperature))) along an axis.

    Parameters and errors are those of `softmax`. inf gives inf, -inf alone gives -inf, and so do no
    classes at all.

    Returns
    -------
    array
        The logits' shape without the axis; of their dtype if floating, else float64; within 2.5
        ulp, unless the greatest logit is negative and all but cancels: then to about 1e-16.

    Examples
    --------
    >>> logsumexp([[-1000.0, -1000.0], [0.0, 800.0]]).round(6).tolist()
    [-999.306853, 800.0]
    """
    return SoftmaxState.of(logits, axis, temperature=temperature).logsumexp()


def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    axis: int = -1,
    *,
    temperature: float = 1.0,
    inf: Infinities = "limit",
) -> CrossEntropy:
    """Return the cross-entropy of each row with its true class, and its gradient.

    Parameters
    ----------
    logits, temperature, inf
        As for `softmax`.
    target : integer array
        The true class of each row, from 0; the logits' shape without the axis.
    axis : int
        The axis of the classes.

    Returns
    -------
    CrossEntropy
        Losses log sum(exp(z)) - z[target] with z = logits / temperature, and derivatives
        (softmax - one hot) / temperature, that at a confident target without cancellation.

    Raises
    ------
    ValueError
        As for `softmax`; or a target is no class.

    Examples
    --------
    >>> found = cross_entropy([[0.0, 0.0], [0.0, 1000.0]], [0, 0])
    >>> found.loss.round(6).tolist(), found.gradient.tolist()
    ([0.693147, 1000.0], [[-0.5, 0.5], [-1.0, 1.0]])
    """
    given, limit = Logits(logits, axis, temperature), _limit(inf)
    codes = _codes(np.asarray(target), given)
    gradient, losses = np.empty(given.values.size), np.zeros(len(codes))
    state = SoftmaxState.write(given, kernels.SHARES, limit, gradient)
    totals = state.totals()
    if not limit:
        totals[:, np.isinf(state.maximum.reshape(-1))] = np.nan
    kernels.entropy_rows(
        *given.given, codes, scaled(given.temperature), state.arrays(), totals, losses, gradient
    )
    gradient /= given.temperature
    loss = losses.reshape(given.rows).astype(given.dtype, copy=False)
    return CrossEntropy(loss=loss, gradient=given.shaped(gradient))


def _limit(inf: object) -> bool:
    if inf not in ("limit", "nan"):
        raise ValueError(f"inf must be 'limit' or 'nan', got {inf!r}")
    return inf == "limit"


def _written(what: int, logits: Logits, state: SoftmaxState | None, limit: bool) -> Floats:
    """Return the softmax or its logarithm of rows, which the state sums up, if given."""
    out = np.empty(logits.values.size)
    work = partial(kernels.work, *logits.given, logits.length, scaled(logits.temperature))
    if state is not None:
        state.require(logits)
    if state is not None and out.size:
        work(state.arrays(), True, what, limit, out)
    elif 0 < logits.classes == logits.length:
        work(NOWHERE, False, what, limit, out)
    elif out.size:
        SoftmaxState.write(logits, what, limit, out)
    return logits.shaped(out)


def _codes(target: NDArray[Any], logits: Logits) -> NDArray[np.int64]:
    """Return the true classes in one axis, or raise ValueError."""
    if target.dtype.kind not in "iu" and target.size:
        raise ValueError(f"target must hold integers, got dtype {target.dtype}")
    if target.shape != logits.rows:
        raise ValueError(
            f"target must have shape {logits.rows}, one class a row of the logits, got shape "
            f"{target.shape}"
        )
    wrong = (target < 0) | (target >= logits.classes)
    if wrong.any():
        raise ValueError(
            f"target must be classes from 0 to {logits.classes - 1}, got {target[wrong][0]}"
        )
    return target.reshape(-1).astype(np.int64)
