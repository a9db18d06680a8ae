"""Softmax and its kin: accurate, for every dtype, and the same bits however classes are cut.

A row's state is its greatest logit and the sum of the exponentials of all others, kept so that any
order and grouping of merges gives the same bits; `SoftmaxState` makes and merges them.
"""

from dataclasses import dataclass, replace
from math import frexp, prod
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from core import _softmax_kernels
from core.checks import require_number

kernels: Any = _softmax_kernels  # mypy checks no calls with several unpacked tuples
Infinities = Literal["limit", "nan"]
Floats = NDArray[Any]
Doubles = NDArray[np.float64]
MOST = 2**26
"""Classes whose sums are exact."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftmaxState:
    """What is known of rows of logits after some of their classes.

    Merge the states of all blocks of the classes, in any order and grouping: `logsumexp`, and
    `softmax` and `log_softmax` of any block with the merged state, have the bits of the whole.

    Examples
    --------
    >>> logits = np.array([[1.0, 2.0, 3.0, 900.0], [0.0, 0.0, 0.0, 0.0]])
    >>> left, right = (SoftmaxState.of(part) for part in np.split(logits, 2, axis=1))
    >>> whole = right.merge(left)
    >>> whole.logsumexp().tolist() == logsumexp(logits, axis=1).tolist()
    True
    >>> softmax(logits[:, 2:], state=whole).tolist()
    [[0.0, 1.0], [0.25, 0.25]]
    """

    maximum: Doubles
    """(row, ...) array: the greatest logit of each row; NaN where one is; -inf without classes."""
    remainder: Doubles
    """(row, ...) array: what rounding took from `maximum`; not 0 for integers beyond 2^53."""
    frame: NDArray[np.int64]
    """(row, ...) array: `bins` are in units of 2^(26 frame)."""
    bins: Doubles
    """(row, ..., 4) array: multiples of 2^-26, 2^-52, 2^-78 and 2^-104, whose sum is that of the
    exponentials of all logits but one greatest one."""
    classes: int
    """How many classes are summed up."""
    temperature: float
    """By which logits are divided."""
    dtype: np.dtype[Any]
    """Of results: that of the logits where it is floating, else float64."""

    @classmethod
    def of(
        cls, logits: ArrayLike, axis: int | None = -1, *, temperature: float = 1.0
    ) -> "SoftmaxState":
        """Return the state of a block.

        Parameters
        ----------
        logits : array
            As for `softmax`.
        axis : int or None
            The axis of the classes; None for all axes.
        temperature : float
            As for `softmax`.

        Returns
        -------
        SoftmaxState
            Rows are the other axes.
        """
        return _Rows(logits, axis, temperature).state()[0]

    def merge(self, other: "SoftmaxState") -> "SoftmaxState":
        """Return the state of both blocks' classes together.

        Parameters
        ----------
        other : SoftmaxState
            Of the same rows and temperature, and of other classes.

        Returns
        -------
        SoftmaxState
            A new one.

        Raises
        ------
        ValueError
            The rows, temperatures or dtypes differ, or the classes exceed 2^26.
        """
        for name in ("temperature", "dtype"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(
                    f"states to merge must have one {name}, got {getattr(self, name)} and "
                    f"{getattr(other, name)}"
                )
        if self.maximum.shape != other.maximum.shape:
            raise ValueError(
                f"states to merge must have the same rows, got shapes {self.maximum.shape} and "
                f"{other.maximum.shape}"
            )
        if not self.classes or not other.classes:
            return self if self.classes else other
        _require_few(self.classes + other.classes)
        merged = replace(
            self,
            maximum=self.maximum.copy(),
            remainder=self.remainder.copy(),
            frame=self.frame.copy(),
            bins=self.bins.copy(),
            classes=self.classes + other.classes,
        )
        kernels.merge_rows(*merged.arrays(), *other.arrays(), *_scaled(self.temperature))
        return merged

    def arrays(self) -> tuple[Doubles, Doubles, NDArray[np.int64], Doubles]:
        """Return maxima, remainders, frames and bins with one axis of rows, as views."""
        return (
            self.maximum.reshape(-1),
            self.remainder.reshape(-1),
            self.frame.reshape(-1),
            self.bins.reshape(-1, 4),
        )

    @property
    def tail(self) -> Doubles:
        """(row, ...) array: the sum of all exponentials but the greatest, divided by that one."""
        out = np.zeros(self.maximum.shape)
        if self.classes:
            kernels.tail_rows(*_scaled(self.temperature), *self.arrays(), out.reshape(-1))
        return out

    def logsumexp(self) -> Floats:
        """Return the (row, ...) array of log sum(exp(logits / temperature)); -inf of no classes."""
        out = np.full(self.maximum.shape, -np.inf)
        if self.classes:
            kernels.log_sum_rows(*_scaled(self.temperature), *self.arrays(), out.reshape(-1))
        return out.astype(self.dtype, copy=False)


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
        and rounded once: within 3 ulp.

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
    rows = _Rows(logits, axis, temperature)
    return rows.softmax(state, _limit(inf))


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
        Of the logits' shape; of their dtype if floating, else float64; within 3 ulp.

    Examples
    --------
    >>> log_softmax([0.0, 40.0, -1757.0]).tolist()
    [-40.0, -4.24835425529159e-18, -1797.0]
    """
    rows = _Rows(logits, axis, temperature)
    return rows.log_softmax(state, _limit(inf))


def logsumexp(logits: ArrayLike, axis: int | None = -1, *, temperature: float = 1.0) -> Floats:
    """Return log(sum(exp(logits / temperature))) along an axis.

    Parameters and errors are those of `softmax`. inf gives inf, -inf alone gives -inf, and so do no
    classes at all.

    Returns
    -------
    array
        The logits' shape without the axis; of their dtype if floating, else float64.

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
    rows = _Rows(logits, axis, temperature)
    return rows.cross_entropy(np.asarray(target), _limit(inf))


def _limit(inf: object) -> bool:
    if inf not in ("limit", "nan"):
        raise ValueError(f"inf must be 'limit' or 'nan', got {inf!r}")
    return inf == "limit"


def _require_few(classes: int) -> None:
    if classes > MOST:
        raise ValueError(f"sums over more than {MOST} classes are not exact, got {classes} classes")


def _scaled(temperature: float) -> tuple[float, float]:
    """Return a divisor from 1 to 2 and a power of two that together divide by the temperature."""
    fraction, exponent = frexp(temperature)
    return 2.0 * fraction, 2.0 ** (1 - exponent)


class _Rows:
    """Logits as a (before, class, behind) array of doubles or singles, and what is asked of it."""

    def __init__(self, logits: ArrayLike, axis: int | None, temperature: float) -> None:
        array = np.asarray(logits)
        self.dtype = _result_type(array.dtype)
        self.shape = array.shape
        if axis is None:
            array, self.rows = array.reshape(-1), ()
            self.layout = (1, array.size, 1)
        else:
            axis = _axis(axis, array.ndim)
            self.rows = array.shape[:axis] + array.shape[axis + 1 :]
            self.layout = (
                prod(array.shape[:axis]), array.shape[axis], prod(array.shape[axis + 1 :])
            )  # fmt: skip
        self.classes = self.layout[1]
        _require_few(self.classes)
        self.temperature = require_number("temperature", temperature, 1e-300, 1e300)
        self.values, self.low = _as_doubles(array)
        self.length = min(self.classes, kernels.LENGTH)

    def state(self, limit: bool = True, fused: bool = False) -> tuple[SoftmaxState, Floats]:
        """Return the state of the rows, and if `fused` their softmax, else an empty array."""
        out = self._empty_like() if fused else np.empty(0, self.values.dtype)
        if not self.classes or not prod(self.rows):
            return self._blank(prod(self.rows)), out
        parts = self._blank(prod(self.rows) * -(-self.classes // self.length))
        kernels.sum_rows(
            *self._given(), self.length, *_scaled(self.temperature), *parts.arrays(), limit, out
        )
        return self._shaped(parts), out

    def softmax(self, state: SoftmaxState | None, limit: bool) -> Floats:
        if state is None and self.length == self.classes:
            return self._finished(self.state(limit, fused=True)[1])
        state = self._checked(state)
        out = self._empty_like()
        if out.size:
            kernels.share_rows(
                *self._given(), self.length, *_scaled(self.temperature), *state.arrays(), limit, out
            )
        return self._finished(out)

    def log_softmax(self, state: SoftmaxState | None, limit: bool) -> Floats:
        state = self._checked(state)
        out = self._empty_like()
        if out.size:
            kernels.log_rows(
                *self._given(), *_scaled(self.temperature), *state.arrays(), limit, out
            )
        return self._finished(out)

    def cross_entropy(self, target: NDArray[Any], limit: bool) -> CrossEntropy:
        target = self._classes_of(target)
        if self.length == self.classes:
            state, gradient = self.state(limit, fused=True)
        else:
            state, gradient = self.state()[0], self._empty_like()
            kernels.share_rows(
                *self._given(), self.length, *_scaled(self.temperature), *state.arrays(), limit,
                gradient,
            )  # fmt: skip
        losses = np.zeros(len(target))
        kernels.entropy_rows(
            *self._given(), target, *_scaled(self.temperature), *state.arrays(), limit, losses,
            gradient,
        )  # fmt: skip
        gradient /= self.temperature
        loss = losses.reshape(self.rows).astype(self.dtype, copy=False)
        return CrossEntropy(loss=loss, gradient=self._finished(gradient))

    def _classes_of(self, target: NDArray[Any]) -> NDArray[np.int64]:
        """Return the true classes in one axis, or raise ValueError."""
        if target.dtype.kind not in "iu" and target.size:
            raise ValueError(f"target must hold integers, got dtype {target.dtype}")
        if target.shape != self.rows:
            raise ValueError(
                f"target must have shape {self.rows}, one class a row of the logits, got shape "
                f"{target.shape}"
            )
        wrong = (target < 0) | (target >= self.classes)
        if wrong.any():
            raise ValueError(
                f"target must be classes from 0 to {self.classes - 1}, got {target[wrong][0]}"
            )
        return target.reshape(-1).astype(np.int64)

    def _given(self) -> tuple[Floats, Doubles, tuple[int, int, int]]:
        return self.values, self.low, self.layout

    def _empty_like(self) -> Floats:
        return np.empty(self.values.size, self.values.dtype)

    def _finished(self, out: Floats) -> Floats:
        return out.reshape(self.shape).astype(self.dtype, copy=False)

    def _blank(self, rows: int) -> SoftmaxState:
        """Return the state of so many rows without a class."""
        return SoftmaxState(
            maximum=np.full(rows, -np.inf),
            remainder=np.zeros(rows),
            frame=np.full(rows, kernels.EMPTY),
            bins=np.zeros((rows, 4)),
            classes=self.classes,
            temperature=self.temperature,
            dtype=self.dtype,
        )

    def _shaped(self, parts: SoftmaxState) -> SoftmaxState:
        """Merge the states of the pieces of each row, and give the rows their shape."""
        rows = prod(self.rows)
        tops, lows, frames, bins = parts.arrays()
        first = tops[:rows], lows[:rows], frames[:rows], bins[:rows]
        others = tops[rows:], lows[rows:], frames[rows:], bins[rows:]
        kernels.merge_rows(*first, *others, *_scaled(self.temperature))
        return replace(
            parts,
            maximum=first[0].reshape(self.rows),
            remainder=first[1].reshape(self.rows),
            frame=first[2].reshape(self.rows),
            bins=first[3].reshape(*self.rows, 4),
        )

    def _checked(self, state: SoftmaxState | None) -> SoftmaxState:
        """Return the given state, or that of the rows; refuse one that cannot belong to them."""
        if state is None:
            return self.state()[0]
        if state.maximum.shape != self.rows:
            raise ValueError(
                f"state must be of rows of shape {self.rows}, got {state.maximum.shape}"
            )
        if state.temperature != self.temperature:
            raise ValueError(
                f"state was made with temperature {state.temperature:g}; pass the same one, got "
                f"{self.temperature:g}"
            )
        if state.classes < self.classes:
            raise ValueError(
                f"state sums up {state.classes} classes, the block alone has {self.classes}: merge "
                "the states of all blocks"
            )
        return state


def _axis(axis: object, ndim: int) -> int:
    """Return an axis from 0, or raise ValueError."""
    whole = isinstance(axis, (int, np.integer)) and not isinstance(axis, (bool, np.bool_))
    if not whole or not -ndim <= axis < ndim:  # type: ignore[operator]
        raise ValueError(
            f"axis must be a whole number from {-ndim} to {ndim - 1}, or None for all axes, of "
            f"logits with {ndim} axes, got {axis!r}"
        )
    return int(axis) % ndim  # type: ignore[call-overload, no-any-return]


def _result_type(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype of results, or raise ValueError."""
    given = np.dtype(dtype)
    if given.kind in "biu":
        return np.dtype(np.float64)
    if given.kind == "f" and given.itemsize <= 8:
        return given.newbyteorder("=")
    raise ValueError(
        f"logits must be booleans, integers, float16, float32 or float64, got dtype {given}"
    )


def _as_doubles(array: NDArray[Any]) -> tuple[Floats, Doubles]:
    """Return values in one axis, and what rounding to double took from them (empty: nothing)."""
    nothing = np.empty(0)
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.kind == "f" and flat.dtype.itemsize == 4:
        return flat.astype(np.float32, copy=False), nothing
    values = flat.astype(np.float64, copy=False)
    if flat.dtype.kind not in "iu" or flat.dtype.itemsize < 8 or not flat.size:
        return values, nothing
    if int(flat.max()) <= 2**53 and int(flat.min()) >= -(2**53):
        return values, nothing
    high = ((flat >> 32) << 32).astype(np.float64)
    low = (flat & 0xFFFFFFFF).astype(np.float64)
    return values, low - (values - high)
