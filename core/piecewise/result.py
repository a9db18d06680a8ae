"""What a piecewise fit returns."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Status(IntEnum):
    """Why a series of a batch has no fit, or that it has one."""

    OK = 0
    """Fitted."""
    TOO_FEW = 1
    """Fewer distinct x than the pieces need: min_size for each."""
    CONSTANT_X = 2
    """All samples at one x."""
    NO_DATA = 3
    """No sample with x and y that are numbers and a weight above 0."""
    BAD_WEIGHTS = 4
    """A weight is negative or infinite."""
    INFINITE = 5
    """An x or y is infinite, or the range of x is; or x is not above 0 on a log axis."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PiecewiseFit:
    """A piecewise fit of one series or of a batch.

    For a batch every array has a first axis `series`, and rows are padded with NaN behind a
    series' own pieces. For one series that axis is left out, nothing is padded, and what has no
    other axis is a scalar.
    """

    breakpoints: NDArray[Any]
    """(series, knot) array: increasing breaks, in units of x (times for times). Where the pieces
    do not meet: the last x of the left piece."""
    slopes: Floats
    """(series, piece) array: y per x, per second for times, per unit of log x on a log axis; of
    degree 2 at the piece's left end; 0 for degree 0."""
    intercepts: Floats
    """(series, piece) array: each piece's polynomial at x = 0 (x = 1 on a log axis; 1970)."""
    curvatures: Floats
    """(series, piece) array: coefficient of (x - left end)^2; 0 below degree 2."""
    values: Floats
    """(series, piece, 2) array: each piece at its left and right end: the first x, the breaks, the
    last x. Neighbours agree where the fit is continuous."""
    span: NDArray[Any]
    """(series, 2) array: least and greatest x of the samples used."""
    rss: NDArray[np.float64]
    """(series,) array: weighted sum of squared residuals."""
    n_segments: NDArray[np.int64]
    """(series,) array: pieces; 0 without a fit."""
    n_obs: NDArray[np.int64]
    """(series,) array: samples used."""
    sigma: NDArray[np.float64]
    """(series,) array: residual standard deviation at weight 1, by n_obs less parameters and
    breaks; NaN where none are left. With loss="huber": the robust scale of the residuals."""
    se_breakpoints: Floats
    """(series, knot) array: delta-method standard errors, in units of x (seconds, log x). A point
    on a break counts as of its right piece."""
    se_slopes: Floats
    """(series, piece) array: of the separate lines that the delta method amounts to."""
    se_intercepts: Floats
    """(series, piece) array: likewise. All errors are NaN for degree 2 and loss="huber"."""
    ci_breakpoints: NDArray[Any]
    """(series, knot, 2) array: interval of each break; NaN unless asked for, infinite (NaT for
    times) where the data do not bound it."""
    ci_slopes: Floats
    """(series, piece, 2) array: interval of each slope; with "profile", from t and the error."""
    pvalue_no_break: NDArray[np.float64]
    """(series,) array: probability under Gaussian noise and one line of as great a gain by one
    break; NaN unless null_samples asks for it."""
    certified: NDArray[np.bool_]
    """(series,) array: no admissible breaks give a smaller sum of squares, but for rounding."""
    status: NDArray[np.int8]
    """(series,) array: `Status` of each series."""
    x_transform: str | None
    """"log" where the pieces are straight along log x."""

    def predict(self, x: ArrayLike) -> Floats:
        """Evaluate the fit.

        Parameters
        ----------
        x : (sample,) or (series, sample) array_like
            As in the fit; beyond its span the outer pieces go on. The span and the breaks of a fit
            along whole numbers are floats: near 1.7e18 they, and what is evaluated, are exact to
            256 units only. For nanoseconds give times, or numbers less their first.

        Returns
        -------
        (sample,) or (series, sample) array
            NaN for series without a fit, and on a log axis at 0 or below.

        Raises
        ------
        ValueError
            If x is of another kind than the fit's.

        Examples
        --------
        >>> from core.piecewise import fit_piecewise
        >>> x = np.arange(10.0)
        >>> fit_piecewise(x, abs(x - 4.5)).predict([0.0, 4.0, 20.0]).round(6)
        array([ 4.5,  0.5, 15.5])
        """
        # At 0 on a log axis, and at the ends of what floats hold, values are infinite or NaN.
        with np.errstate(all="ignore"):
            place = self._behind_start(np.asarray(x))
            knots = self._behind_start(self.breakpoints)
            return evaluate(place, knots, self.values, self.slopes, self.curvatures)

    def _behind_start(self, x: NDArray[Any]) -> Floats:
        """Return how far x lies behind each series' first x, along the axis of the pieces."""
        start = self.span[..., :1]
        if self.x_transform == "log":
            return np.asarray(np.log(x) - np.log(start))
        if (x.dtype.kind in "mM") != (start.dtype.kind in "mM"):
            raise ValueError(f"x is {x.dtype}; the fit's is {start.dtype}")
        away = x - start
        return np.asarray(away / np.timedelta64(1, "s") if away.dtype.kind == "m" else away)


def evaluate(
    behind: Floats, knots: Floats, values: Floats, slopes: Floats, curvatures: Floats
) -> Floats:
    """Evaluate pieces at distances from the first x; a knot belongs to its left piece.

    Parameters
    ----------
    behind : (..., sample) array
        Distances from the series' first x.
    knots : (..., knot) array
        Distances of the breaks, NaN behind a series' own.
    values, slopes, curvatures : (..., piece, 2) and (..., piece) arrays
        As in a `PiecewiseFit`.

    Returns
    -------
    (..., sample) array
        In units of the values.

    Examples
    --------
    >>> pieces = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0]), np.zeros(2)
    >>> evaluate(np.array([0.5, 1.0, 3.0]), np.array([1.0]), *pieces)
    array([0.5, 1. , 1. ])
    """
    series = np.broadcast_shapes(behind.shape[:-1], knots.shape[:-1])
    behind = np.broadcast_to(behind, (*series, behind.shape[-1]))
    piece = np.zeros(behind.shape, np.int64)
    for j in range(knots.shape[-1]):
        piece += behind > knots[..., j, None]
    lefts = np.concatenate([np.zeros((*series, 1)), knots], axis=-1)
    step = behind - np.take_along_axis(lefts, piece, axis=-1)
    slope = np.take_along_axis(slopes, piece, axis=-1)
    slope = slope + step * np.take_along_axis(curvatures, piece, axis=-1)
    left = np.take_along_axis(values[..., 0], piece, axis=-1)
    return np.asarray(left + step * slope)
