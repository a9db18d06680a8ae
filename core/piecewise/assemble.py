"""From solutions to the public result: the user's units, errors, intervals, the test."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.piecewise import _prepare_kernels as prepared
from core.piecewise.axis import Axis
from core.piecewise.intervals import bootstrap, profile_knots, t_bounds
from core.piecewise.null_test import no_break_pvalues
from core.piecewise.params import PiecewiseParams
from core.piecewise.result import PiecewiseFit, Status, evaluate
from core.piecewise.solution import Solution, errors, estimates, spread

Floats = NDArray[np.float64]


def values_at(solution: Solution, axis: Axis, params: PiecewiseParams, place: Floats) -> Floats:
    """Evaluate a solution at places (series, sample) along its axis' values."""
    found = estimates(solution, axis)
    if not params.continuous:
        _snap(found["breakpoints"], axis, found["breakpoints"], axis.values)
    start = found["span"][:, :1]
    pieces = (found[name] for name in ("values", "slopes", "curvatures"))
    return evaluate(place - start, found["breakpoints"] - start, *pieces)


def _snap(knots: Floats, axis: Axis, out: NDArray[Any], samples: NDArray[Any]) -> None:
    """Put into `out` the very samples that breaks of separate pieces lie on.

    A break that came back rounded could fall short of its own sample, and hand it to the wrong
    piece.
    """
    for s, j in zip(*np.nonzero(np.isfinite(knots)), strict=True):
        row = samples[min(s, samples.shape[0] - 1)]
        out[s, j] = row[axis.sample_at(s, knots[s, j])]


def assemble(
    axis: Axis,
    y: Floats,
    w: Floats,
    params: PiecewiseParams,
    solution: Solution,
    robust: dict[str, Floats],
) -> PiecewiseFit:
    """Bring a solution to the user's units, with what is asked for beside it."""
    fitted = solution.size > 0
    if not fitted.all():
        blank = np.where(fitted[:, None], solution.scales, np.nan)
        solution = replace(solution, scales=blank)
    found, se = estimates(solution, axis), errors(solution, axis, params)
    knots, slopes = _intervals(axis, y, w, params, solution, found | se)
    rss = robust.get("rss", solution.total_rss)
    breakpoints = axis.restore(found["breakpoints"])
    if not params.continuous:
        _snap(found["breakpoints"], axis, breakpoints, axis.given)
    return PiecewiseFit(
        breakpoints=breakpoints,
        slopes=found["slopes"],
        intercepts=found["intercepts"],
        curvatures=found["curvatures"],
        values=found["values"],
        span=axis.restore(found["span"]),
        rss=rss,
        n_segments=solution.size,
        n_obs=solution.counts[:, 1].copy(),
        sigma=robust["sigma"] if robust else _sigma(solution, params),
        se_breakpoints=se["se_breakpoints"],
        se_slopes=se["se_slopes"],
        se_intercepts=se["se_intercepts"],
        ci_breakpoints=knots,
        ci_slopes=slopes,
        pvalue_no_break=no_break_pvalues(axis.values, y, w, params)
        if params.null_samples
        else np.broadcast_to(np.nan, rss.shape),
        certified=solution.certified & (params.loss == "linear"),
        status=solution.counts[:, 2].astype(np.int8),
        x_transform=params.x_transform,
    )


def _sigma(solution: Solution, params: PiecewiseParams) -> Floats:
    freedom = spread(solution, params)[1]
    return solution.root_rss / np.sqrt(np.where(freedom > 0.0, freedom, np.nan))


def _intervals(
    axis: Axis,
    y: Floats,
    w: Floats,
    params: PiecewiseParams,
    solution: Solution,
    found: dict[str, Floats],
) -> tuple[NDArray[Any], Floats]:
    """Return intervals (series, ..., 2) of the breaks and of the slopes in the user's units."""
    if params.ci is None:
        missing = np.array("NaT", axis.dtype) if axis.dtype is not None else np.nan
        knots = np.broadcast_to(missing, (*solution.knots.shape, 2))
        return knots, np.broadcast_to(np.nan, (*found["slopes"].shape, 2))
    freedom = spread(solution, params)[1]
    slopes = t_bounds(found["slopes"], found["se_slopes"], freedom, params.level)
    if params.ci == "delta":
        at = found["breakpoints"], found["se_breakpoints"]
        return axis.restore(t_bounds(*at, freedom, params.level)), slopes
    if params.ci == "profile":
        knots = profile_knots(axis.values, y, w, solution, params)
    else:
        knots, slopes = bootstrap(axis.values, y, w, solution, params)
    scales = solution.scales[:, :, None, None]
    origin = scales[:, prepared.ORIGIN] + scales[:, prepared.CENTRE]
    return axis.restore(origin + scales[:, prepared.RANGE] * knots), slopes


def first_series(fit: PiecewiseFit) -> PiecewiseFit:
    """Drop the axis `series`, and what pads the pieces of a batch."""
    pieces = int(fit.n_segments[0])
    knot_wise = {"breakpoints", "se_breakpoints", "ci_breakpoints"}
    piece_wise = {"slopes", "intercepts", "curvatures", "values", "ci_slopes"}
    piece_wise |= {"se_slopes", "se_intercepts"}
    own: dict[str, Any] = {"x_transform": fit.x_transform, "span": fit.span[0]}
    for name, table in vars(fit).items():
        if name in knot_wise:
            own[name] = table[0, : pieces - 1]
        elif name in piece_wise:
            own[name] = table[0, :pieces]
        elif name not in own:
            own[name] = table[0].item()
    return PiecewiseFit(**own | {"status": Status.OK})
