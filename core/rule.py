"""A linear rule over features: what training finds, and all that applying it needs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit

from core.design import Design
from core.softmax import softmax

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LinearRule:
    """Probabilities of labels: the softmax of linear functions of standardised features."""

    design: Design
    coefficients: tuple[tuple[float, ...], ...]
    """(label, column): of the design's columns."""
    intercepts: tuple[float, ...]
    """(label,)"""
    one_vs_rest: bool = False
    """Each label was learnt against all others; their probabilities are made to sum to 1."""

    def __post_init__(self) -> None:
        columns = len(self.design.names)
        if len(self.intercepts) != len(self.coefficients) or len(self.intercepts) < 2:
            raise ValueError("a rule has an intercept and a row of coefficients for each label")
        if any(len(row) != columns for row in self.coefficients):
            raise ValueError(f"every row of coefficients must have {columns} of them")
        if not (np.isfinite(self.coefficients).all() and np.isfinite(self.intercepts).all()):
            raise ValueError("coefficients and intercepts must be finite")

    @classmethod
    def of(
        cls,
        design: Design,
        coefficients: ArrayLike,
        intercepts: ArrayLike,
        *,
        one_vs_rest: bool = False,
    ) -> "LinearRule":
        """Return the rule of fitted arrays; one row, for two labels, tells the second's odds.

        Parameters
        ----------
        design : Design
            Made the columns of the fit.
        coefficients : (label, column) or (1, column) array_like
            Of the columns.
        intercepts : (label,) or (1,) array_like
            Beside them.
        one_vs_rest : bool
            See the attribute.

        Examples
        --------
        >>> from core.design import learn_design
        >>> design = learn_design([[0.0], [2.0]], ["piqe"])
        >>> rule = LinearRule.of(design, [[np.log(3.0)]], [0.0])
        >>> rule.probabilities([[2.0], [1.0]]).round(6)
        array([[0.25, 0.75],
               [0.5 , 0.5 ]])
        """
        rows, ends = np.asarray(coefficients, np.float64), np.asarray(intercepts, np.float64)
        if len(rows) == 1:
            rows, ends = np.concatenate([0.0 * rows, rows]), np.concatenate([0.0 * ends, ends])
        return cls(
            design=design,
            coefficients=tuple(tuple(row) for row in rows.tolist()),
            intercepts=tuple(ends.tolist()),
            one_vs_rest=one_vs_rest,
        )

    def probabilities(self, values: ArrayLike) -> Floats:
        """Return the probability of every label for some items.

        Parameters
        ----------
        values : (item, feature) array_like
            The features, as `Design.columns` takes them.

        Returns
        -------
        (item, label) array
            Rows sum to 1.
        """
        columns = self.design.columns(values)
        # Not BLAS, whose bits depend on how many items come together and on its threads.
        scores = np.einsum("ij,kj->ik", columns, np.array(self.coefficients))
        scores += np.array(self.intercepts)
        return softmax(log_expit(scores) if self.one_vs_rest else scores)
