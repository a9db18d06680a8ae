"""What is known of rows of logits after some of their classes, and how that is merged."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core import _softmax_kernels
from core._softmax_logits import Doubles, Floats, Logits, require_few, scaled

kernels: Any = _softmax_kernels  # mypy checks no calls with several unpacked tuples


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftmaxState:
    """What is known of rows of logits after some of their classes.

    Merge the states of all blocks of the classes, in any order and grouping: `logsumexp`, and
    `softmax` and `log_softmax` of any block with the merged state, have the bits of the whole.

    Examples
    --------
    >>> from core.softmax import logsumexp, softmax
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
        return cls.write(Logits(logits, axis, temperature), kernels.SUMS, True, np.empty(0))

    @classmethod
    def write(cls, logits: Logits, what: int, limit: bool, out: Doubles) -> "SoftmaxState":
        """Return the state of all classes, and write to `out` what `_softmax_kernels.work` can."""
        rows = prod(logits.rows)
        length = logits.length
        if not logits.classes or not rows:
            return cls._blank(logits, rows)._shaped(logits.rows)
        fused = what if length == logits.classes else kernels.SUMS
        parts = cls._blank(logits, rows * -(-logits.classes // length))
        scale = scaled(logits.temperature)
        kernels.work(*logits.given, length, scale, parts.arrays(), False, fused, limit, out)
        first, others = parts._cut(slice(None, rows)), parts._cut(slice(rows, None))
        kernels.merge_rows(first.arrays(), others.arrays(), scale)
        if fused != what:
            kernels.work(*logits.given, length, scale, first.arrays(), True, what, limit, out)
        return first._shaped(logits.rows)

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
        require_few(self.classes + other.classes)
        merged = replace(
            self,
            maximum=self.maximum.copy(),
            remainder=self.remainder.copy(),
            frame=self.frame.copy(),
            bins=self.bins.copy(),
            classes=self.classes + other.classes,
        )
        kernels.merge_rows(merged.arrays(), other.arrays(), scaled(self.temperature))
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
        tail: Doubles = self.totals()[0].reshape(self.maximum.shape)
        return tail

    def logsumexp(self) -> Floats:
        """Return the (row, ...) array of log sum(exp(logits / temperature)); -inf of no classes."""
        logarithm: Doubles = self.totals()[3].reshape(self.maximum.shape)
        return logarithm.astype(self.dtype, copy=False)

    def totals(self) -> Doubles:
        """Return the (4, row) array of `_softmax_kernels.total_rows`."""
        out = np.zeros((4, self.maximum.size))
        out[3] = -np.inf
        if self.classes:
            kernels.total_rows(self.arrays(), scaled(self.temperature), out)
        return out

    @classmethod
    def _blank(cls, logits: Logits, rows: int) -> "SoftmaxState":
        """Return states to fill in, of no class, in one axis."""
        return cls(
            maximum=np.full(rows, -np.inf),
            remainder=np.zeros(rows),
            frame=np.full(rows, kernels.EMPTY),
            bins=np.zeros((rows, 4)),
            classes=logits.classes,
            temperature=logits.temperature,
            dtype=logits.dtype,
        )

    def _cut(self, rows: slice) -> "SoftmaxState":
        """Return some of the rows, as views."""
        return replace(
            self,
            maximum=self.maximum[rows],
            remainder=self.remainder[rows],
            frame=self.frame[rows],
            bins=self.bins[rows],
        )

    def _shaped(self, rows: tuple[int, ...]) -> "SoftmaxState":
        return replace(
            self,
            maximum=self.maximum.reshape(rows),
            remainder=self.remainder.reshape(rows),
            frame=self.frame.reshape(rows),
            bins=self.bins.reshape(*rows, 4),
        )

    def require(self, logits: Logits) -> None:
        """Raise ValueError if a block of these logits cannot belong to the rows summed up."""
        if self.maximum.shape != logits.rows:
            raise ValueError(
                f"state must be of rows of shape {logits.rows}, got {self.maximum.shape}"
            )
        if self.temperature != logits.temperature:
            raise ValueError(
                f"state was made with temperature {self.temperature:g}; pass the same one, got "
                f"{logits.temperature:g}"
            )
        if self.classes < logits.classes:
            raise ValueError(
                f"state sums up {self.classes} classes, the block alone has {logits.classes}: "
                "merge the states of all blocks"
            )
