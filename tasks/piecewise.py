"""Piecewise fits: straight lines that join at the best breaks, through every signal.

`fit_piecewise` serves anyone's own xarray arrays; `fit_pieces` is the step.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from core.form import FORM, Within
from core.piecewise import PiecewiseFit, PiecewiseParams
from core.piecewise import fit_piecewise as fit_series
from core.piecewise.axis import to_axis
from core.piecewise.params import Interval
from core.stretches import means_of_stretches
from tasks import ingest, signals, store, worklist
from tasks.batches import Batch, Order
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.store import PIECES

VERSION = 1
STEP = "piecewise"
Array = NDArray[Any]

FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "breakpoint": ("breakpoints", ("knot",)),
    "slope": ("slopes", ("piece",)),
    "intercept": ("intercepts", ("piece",)),
    "curvature": ("curvatures", ("piece",)),
    "value": ("values", ("piece", "end")),
    "span": ("span", ("end",)),
    "se_breakpoint": ("se_breakpoints", ("knot",)),
    "se_slope": ("se_slopes", ("piece",)),
    "se_intercept": ("se_intercepts", ("piece",)),
    "ci_breakpoint": ("ci_breakpoints", ("knot", "bound")),
    "ci_slope": ("ci_slopes", ("piece", "bound")),
    "rss": ("rss", ()),
    "sigma": ("sigma", ()),
    "n_segments": ("n_segments", ()),
    "n_obs": ("n_obs", ()),
    "pvalue_no_break": ("pvalue_no_break", ()),
    "certified": ("certified", ()),
    "status": ("status", ()),
}
"""What a Dataset calls the fields of a `PiecewiseFit`, and their dimensions behind the series."""
TIMES = {"breakpoint", "span", "ci_breakpoint"}
WHOLE = {"n_segments": np.int64, "n_obs": np.int64, "certified": np.bool_, "status": np.int8}


@dataclass(frozen=True, kw_only=True)
class SignalFit(PiecewiseParams):
    """Options of `core.piecewise.fit_piecewise`, with the defaults of a run."""

    n_segments: Annotated[int, Within(1, 6)] | Literal["auto"] = "auto"
    """Pieces, from 1 to 6; "auto" chooses between 1 (no break) and max_segments."""
    ci: Interval | None = "profile"
    """Intervals of the breaks and slopes: profile (best founded), bootstrap, delta (too short)."""


@dataclass(frozen=True, kw_only=True)
class PiecesParams:
    """How straight pieces are fitted to every signal of a run."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    fit: SignalFit = field(default_factory=SignalFit)
    """The model; by default 1 to 6 pieces, as many as the data call for, with intervals."""
    longest: Annotated[int, Within(50, 20_000)] = 2000
    """A longer signal is fitted to the means of so many equal stretches, from 50 to 20000."""

    def __post_init__(self) -> None:
        if not isinstance(self.fit, PiecewiseParams):
            raise ValueError(f"fit must be PiecewiseParams, got {self.fit!r}")
        if self.fit.most > PIECES:
            raise ValueError(
                f"fit asks for up to {self.fit.most} pieces; the store keeps {PIECES} a signal: "
                "lower n_segments or max_segments"
            )
        whole = isinstance(self.longest, int) and not isinstance(self.longest, bool)
        if not whole or not 50 <= self.longest <= 20_000:
            raise ValueError(f"longest must be an integer from 50 to 20000, got {self.longest!r}")


def fit_piecewise(
    signal: xr.DataArray,
    params: PiecewiseParams | None = None,
    *,
    dim: str = "sample",
    x: xr.DataArray | None = None,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Fit straight pieces to every series of an array.

    Parameters
    ----------
    signal : (..., sample) DataArray
        NumPy or Dask, in any chunks along the series and one along the samples. NaN is missing.
    params : PiecewiseParams, optional
        By default two pieces that join at the best break.
    dim : str, optional
        What the samples' dimension is called.
    x : (sample,) or (..., sample) DataArray, optional
        Positions: numbers or times, by default the coordinate of `dim`, or else 0, 1, 2 and so on.
        One x for all series is much faster than one for each.
    weights : (sample,) or (..., sample) DataArray, optional
        Factors of the squared residuals, as 1 / variance.

    Returns
    -------
    Dataset
        The fields of `core.piecewise.PiecewiseFit`, in the singular, with dimensions knot, piece,
        end (of a piece) and bound (of an interval) behind those of the series; lazy where `signal`
        is. A series that cannot be fitted has a `status` other than 0, and NaN.

    Raises
    ------
    ValueError
        If `dim` is no dimension of `signal`, or is cut into several chunks.

    Examples
    --------
    >>> hours = xr.DataArray(np.abs(np.arange(40.0) - [[17.5], [9.25]]), dims=("series", "sample"))
    >>> fit_piecewise(hours.chunk(series=1)).breakpoint.values.round(6).tolist()
    [[17.5], [9.25]]
    """
    p = params or PiecewiseParams()
    if dim not in signal.dims:
        raise ValueError(f"signal has dimensions {signal.dims}, none is {dim!r}; name it with dim=")
    taken = {"knot", "piece", "end", "bound"} & {*map(str, signal.dims), *map(str, signal.coords)}
    if taken:
        raise ValueError(f"the result calls {taken} so too; rename them in the signal first")
    for name, other in (("x", x), ("weights", weights)):
        if other is not None and not set(other.dims) <= set(signal.dims):
            raise ValueError(f"{name} has dimensions {other.dims}, the signal {signal.dims}")
    if signal.chunks is not None and len(signal.chunksizes[dim]) > 1:
        raise ValueError(
            f"signal has {len(signal.chunksizes[dim])} chunks along {dim!r}, and a fit needs whole "
            f"series; rechunk with signal.chunk({{{dim!r}: -1}})"
        )
    place = _positions(signal, dim) if x is None else x
    given = [signal, place, *([] if weights is None else [weights])]
    sizes = {"knot": p.most - 1, "piece": p.most, "end": 2, "bound": 2}
    found = xr.apply_ufunc(
        _fit_chunk,
        *given,
        kwargs={"params": p},
        input_core_dims=[[dim]] * len(given),
        output_core_dims=[list(dims) for _, dims in FIELDS.values()],
        dask="parallelized",
        output_dtypes=[_kind(name, place) for name in FIELDS],
        dask_gufunc_kwargs={"output_sizes": sizes},
        keep_attrs=False,
    )
    recorded = {"params": json.dumps(asdict(p)), "x_transform": p.x_transform or ""}
    return xr.Dataset(dict(zip(FIELDS, found, strict=True)), attrs=recorded)


def _positions(signal: xr.DataArray, dim: str) -> xr.DataArray:
    if dim in signal.coords:
        return signal.coords[dim].variable.to_base_variable()  # type: ignore[no-any-return]
    return xr.DataArray(np.arange(signal.sizes[dim]), dims=dim)


def _kind(name: str, x: Any) -> Any:  # noqa: ANN401
    if name in TIMES and x.dtype.kind in "mM":
        return to_axis(np.zeros(1, x.dtype), None).dtype
    return WHOLE.get(name, np.float64)


def _fit_chunk(
    y: Array, x: Array, weights: Array | None = None, *, params: PiecewiseParams
) -> tuple[Array, ...]:
    """Fit the series along all but the last axis of `y`."""
    leading, samples = y.shape[:-1], y.shape[-1]
    own = None if weights is None else _rows(weights, y)
    fit = fit_series(
        _rows(x, y), y.reshape(math.prod(leading), samples), weights=own, **vars(params)
    )
    found = (getattr(fit, field) for field, _ in FIELDS.values())
    return tuple(values.reshape((*leading, *values.shape[1:])) for values in found)


def _rows(values: Array, like: Array) -> Array:
    """Return shared values as they are, own ones as (series, sample)."""
    if values.ndim == 1:
        return values
    return np.broadcast_to(values, like.shape).reshape(-1, like.shape[-1])


def fit_pieces(order: Order, params: PiecesParams) -> None:
    """Fit every signal whose pieces are missing or stale, into `pieces`."""
    mark = fingerprint(VERSION, {**asdict(params), "ingest version": ingest.VERSION})
    step = worklist.Step(name=STEP, kind="signal", mark=mark)
    with Ledger(order.output.ledger) as ledger:
        worklist.make_room(ledger, order.output, step, store.PIECEWISE)
        worklist.carry_out(ledger, step, order.asking(params), fit_batch)


def fit_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Fit the series of one batch; runs in a worker."""
    return signals.measure(order, batch, store.PIECEWISE, fit_one)


def fit_one(x: Array, y: Array, params: PiecesParams) -> dict[str, Any]:
    """Return what the store keeps of one signal's fit, by name.

    Parameters
    ----------
    x, y : (sample,) array
        The signal; a long one is fitted to means of equal stretches.
    params : PiecesParams
        The model, and what is long.
    """
    place, means, counts, width = means_of_stretches(x, y, params.longest)
    weights = None if width == 1 else counts[None]
    fit: PiecewiseFit = fit_series(place[None], means[None], weights=weights, **vars(params.fit))
    values = {name: getattr(fit, field)[0] for name, (field, _) in FIELDS.items()}
    return {**values, "stretch": width}
