"""The public function: arguments in, options checked, samples fitted, units restored."""

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.piecewise.assemble import assemble, first_series, values_at
from core.piecewise.axis import Axis, to_axis
from core.piecewise.params import Criterion, Interval, Loss, Method, PiecewiseParams
from core.piecewise.result import PiecewiseFit, Status
from core.piecewise.robust import reweight
from core.piecewise.solution import Solution
from core.piecewise.solve import solve

Floats = NDArray[np.float64]


def fit_piecewise(
    x: ArrayLike,
    y: ArrayLike,
    n_segments: int | Literal["auto"] = 2,
    *,
    weights: ArrayLike | None = None,
    degree: int = 1,
    continuous: bool = True,
    min_size: int = 3,
    max_segments: int = 6,
    criterion: Criterion = "bic3",
    slopes: Sequence[float | None] | None = None,
    loss: Loss = "linear",
    x_transform: Literal["log"] | None = None,
    ci: Interval | None = None,
    level: float = 0.95,
    method: Method = "auto",
    bootstrap_samples: int = 1000,
    null_samples: int = 0,
    seed: int = 0,
) -> PiecewiseFit:
    """Fit joined straight lines, or separate polynomials, without initial guesses.

    One break is the least-squares optimum, found in O(n). Two are the optimum too, up to
    `TWO_BREAK_LIMIT` distinct x or with method="exact" beyond, in O(n^2) at worst. From three on,
    the best of a dynamic program over a grid and of a greedy search with exact re-scans is
    refined: usually the optimum, but not certified. Pieces that need not meet are exact for any
    number, in O(n^2). `certified` tells which case a fit is.

    Parameters
    ----------
    x : (sample,) or (series, sample) array_like
        Numbers of any size, datetime64 or timedelta64; in any order, with ties. One x for all
        series is much faster than one for each.
    y : (sample,) or (series, sample) array_like
        One series or a batch. A sample with NaN in x, y or the weights, or that a masked array
        masks there, is left out.
    n_segments : int or "auto"
        Pieces; "auto" chooses by `criterion` between 1, no break, and `max_segments`.
    weights : (sample,) or (series, sample) array_like, optional
        Factors of the squared residuals, as 1 / variance; 0 leaves a sample out.
    degree, continuous, min_size, max_segments, criterion, slopes, loss, x_transform, ci, level, \
method, bootstrap_samples, null_samples, seed
        See `PiecewiseParams`, which holds the same options under the same names. Slopes are in
        the units of the result's.

    Returns
    -------
    PiecewiseFit
        Breaks, pieces and their errors. A series' row has the same bits in any batch, whose x and
        weights have the same number of axes.

    Raises
    ------
    ValueError
        If an option or a shape is not as above; for one series, also if it cannot be fitted. In
        a batch such a series has a `status` instead, and NaN.

    Notes
    -----
    Every piece keeps `min_size` samples of distinct x; no sample counts for two. Distances in x
    below the rounding of its range are ties. `loss="huber"` reweights by residuals in units of
    their median until it stands still: a local optimum; rss is then of the plain residuals. Many
    joined pieces are slow: 50 over 400 samples took 14 s, compilation included.

    References
    ----------
    D. J. Hudson, "Fitting segmented curves whose join points have to be estimated", JASA 61
    (1966) 1097: an optimum's break is a data point or where separate lines meet.

    Examples
    --------
    >>> x = np.arange(20, 61)
    >>> fit = fit_piecewise(x, np.abs(x - 48.25) / 100 + 0.01)
    >>> fit.breakpoints.round(6), fit.slopes.round(6), fit.certified
    (array([48.25]), array([-0.01,  0.01]), True)
    >>> batch = fit_piecewise(x, [np.abs(x - 33.5), np.full(41, np.nan)])
    >>> batch.breakpoints.round(6).tolist(), batch.status.tolist()
    ([[33.5], [nan]], [0, 3])
    """
    params = PiecewiseParams(
        n_segments=n_segments,
        degree=degree,
        continuous=continuous,
        min_size=min_size,
        max_segments=max_segments,
        criterion=criterion,
        slopes=None if slopes is None else tuple(slopes),
        loss=loss,
        x_transform=x_transform,
        ci=ci,
        level=level,
        method=method,
        bootstrap_samples=bootstrap_samples,
        null_samples=null_samples,
        seed=seed,
    )
    axis, samples, own_weights = _checked(x, y, weights, params)
    single = np.ndim(y) == 1
    shared = np.ndim(x) == 1 and (weights is None or np.ndim(weights) == 1)
    # Units at the ends of what floats hold overflow to inf; what is missing is NaN: no news.
    with np.errstate(all="ignore"):
        solution, robust = _solution(axis, samples, own_weights, params, shared)
        if single and solution.counts[0, 2] != Status.OK:
            _refuse(axis, samples, params, solution)
        fit = assemble(axis, samples, own_weights, params, solution, robust)
    return first_series(fit) if single else fit


def _checked(
    x: ArrayLike, y: ArrayLike, weights: ArrayLike | None, params: PiecewiseParams
) -> tuple[Axis, Floats, Floats]:
    """Return the axis, y as (series, sample), and weights as (1 or series, sample) or (0, 0)."""
    samples = to_numbers("y", y)
    if samples.ndim not in (1, 2) or not samples.shape[-1]:
        raise ValueError(f"y has shape {samples.shape}; (sample,) or (series, sample) is needed")
    allowed = {samples.shape, samples.shape[-1:]}
    given = np.empty((0, 0)) if weights is None else to_numbers("weights", weights)
    for name, shape in (("x", np.shape(x)), ("weights", given.shape)):
        if shape not in allowed and not (name == "weights" and weights is None):
            words = " or ".join(map(str, sorted(allowed, key=len)))
            raise ValueError(
                f"{name} has shape {shape} for y of {samples.shape}; {words} is needed"
            )
    if weights is not None:
        given = np.atleast_2d(given)
    if isinstance(x, np.ma.MaskedArray):
        samples = np.where(np.ma.getmaskarray(x), np.nan, samples)
        x = _unmasked(x)
    axis = to_axis(x, params.x_transform)
    return axis, np.ascontiguousarray(np.atleast_2d(samples)), np.ascontiguousarray(given)


def to_numbers(name: str, values: ArrayLike) -> Floats:
    """Return floats, NaN where a masked array masks; refuse what is no real number by name."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is {array.dtype}; real numbers are needed")
    array = array.astype(np.float64, copy=False)
    if isinstance(values, np.ma.MaskedArray):
        array = np.where(np.ma.getmaskarray(values), np.nan, array)
    return array


def _unmasked(x: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    """Put what means missing under a mask; into whole numbers, which have no such, a known one."""
    values, known = np.array(x.data), x.compressed()
    if x.dtype.kind in "fmM":
        values[np.ma.getmaskarray(x)] = np.nan if x.dtype.kind == "f" else np.array("NaT", x.dtype)
    elif known.size:
        values[np.ma.getmaskarray(x)] = known[0]
    return values


def _solution(
    axis: Axis, y: Floats, w: Floats, params: PiecewiseParams, shared: bool
) -> tuple[Solution, dict[str, Floats]]:
    """Solve; also return what reweighting says instead of the least-squares rss and sigma."""
    x = np.ascontiguousarray(axis.values)
    if params.loss == "linear":
        return solve(x, y, w, params, shared), {}
    full = np.array(np.broadcast_to(w if w.shape[0] else np.ones((1, 1)), y.shape))
    there = (full > 0.0) & np.isfinite(x) & np.isfinite(y)
    place = np.where(there, x, np.nan)

    def fitted(weights: Floats, where: NDArray[np.int64]) -> Floats:
        part = axis if x.shape[0] == 1 else axis.part(where)
        own = solve(part.values, y[where], weights, params, False)
        return values_at(own, part, params, place[where])

    weights, scale = reweight(fitted, np.where(there, y, np.nan), full)
    solution = solve(x, y, weights, params, False)
    residual = np.where(there, y, np.nan) - values_at(solution, axis, params, place)
    rss = np.where(there, full * residual**2, 0.0).sum(axis=1)
    return solution, {"rss": np.where(solution.size > 0, rss, np.nan), "sigma": scale}


def _refuse(axis: Axis, y: Floats, params: PiecewiseParams, solution: Solution) -> NoReturn:
    """Say why the one series has no fit, and what would help."""
    distinct, used, code = solution.counts[0]
    needed = params.min_size * (1 if params.n_segments == "auto" else params.n_segments)
    if Status(code) is Status.INFINITE and axis.log and not np.isinf(y).any():
        raise ValueError("x has values of 0 or below, or infinite; a log axis needs x above 0")
    words = {
        Status.TOO_FEW: f"{distinct} distinct x of {used} samples; {needed} are needed for "
        f"min_size={params.min_size} in each piece: take fewer pieces or a smaller min_size",
        Status.CONSTANT_X: f"all {used} samples lie at one x; give x that varies",
        Status.NO_DATA: f"none of {y.shape[1]} samples has x and y that are numbers and a weight "
        "above 0; give some",
        Status.BAD_WEIGHTS: "weights are negative or infinite; give 1 / variance, or 0 or NaN to "
        "leave a sample out",
        Status.INFINITE: "x or y is infinite, or the range of x is; mark such samples with NaN",
    }
    raise ValueError(words[Status(code)])
