"""Scale space of signals: smoothing, crossings, and how many Gaussians there are.

The first functions serve anyone's own xarray arrays; `find_structure` is the step.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Annotated, Any, ClassVar

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from core import gaussian, peaks, scale_space
from core.checks import require_integer, require_number
from core.form import FORM, Within
from core.gaussian import Boundary, Kernel
from core.gaussian.filters import LARGEST_SIGMA
from core.peaks import DecomposeParams, Decomposition
from core.scale_space import ScaleParams, StableParams
from core.scale_space.gaps import fill_gaps
from core.stretches import means_of_stretches, order_along
from tasks import ingest, signals, store, worklist
from tasks.batches import Batch, Order
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.store import COMPONENTS, CROSSINGS, SCALES

VERSION = 2
STEP = "scale space"
LONGEST_GAP = 5
Array = NDArray[Any]

PER_COMPONENT = ("amplitude", "center", "sigma")
TERMS = ("baseline", "baseline_error")


@dataclass(frozen=True, kw_only=True)
class StructureParams:
    """How the structure of every signal of a run is found."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    decompose: DecomposeParams = field(default_factory=partial(DecomposeParams, baseline="auto"))
    """What a signal is taken to be the sum of; by default on the baseline that suffices."""
    stable: StableParams = field(default_factory=StableParams)
    """What counts as a bulge, for the count at the most stable scale."""
    longest: Annotated[int, Within(50, 20_000)] = 4096
    """A longer signal is looked at by the means of so many equal stretches, from 50 to 20000."""

    def __post_init__(self) -> None:
        if not isinstance(self.decompose, DecomposeParams):
            raise ValueError(f"decompose must be DecomposeParams, got {self.decompose!r}")
        if not isinstance(self.stable, StableParams):
            raise ValueError(f"stable must be StableParams, got {self.stable!r}")
        if self.decompose.max_components > COMPONENTS:
            raise ValueError(
                f"decompose asks for up to {self.decompose.max_components} components; the store "
                f"keeps {COMPONENTS} a signal: lower max_components"
            )
        whole = isinstance(self.longest, int) and not isinstance(self.longest, bool)
        if not whole or not 50 <= self.longest <= 20_000:
            raise ValueError(f"longest must be an integer from 50 to 20000, got {self.longest!r}")


def smooth(
    signal: xr.DataArray,
    sigma: float,
    *,
    dim: str = "sample",
    order: int = 0,
    kernel: Kernel = "discrete",
    boundary: Boundary = "reflect",
) -> xr.DataArray:
    """Smooth every series of an array with a Gaussian, or take a derivative of the smoothed one.

    Parameters
    ----------
    signal : (..., sample) DataArray
        NumPy or Dask, in any chunks, along the samples too. A series with a missing sample becomes
        missing, in chunks as far as the chunk and its halo reach.
    sigma : float
        Standard deviation of the Gaussian, in samples.
    dim : str, optional
        What the samples' dimension is called.
    order : int, optional
        Of the derivative, 0 to 4; in units per sample.
    kernel, boundary : str, optional
        As of `core.gaussian.smooth`.

    Returns
    -------
    (..., sample) DataArray
        float64; lazy where `signal` is; in chunks along the samples within 1e-12 + 8 eps sigma**2
        of the whole, relative to the largest value.

    Raises
    ------
    ValueError
        At once, if an option is not as above or the values are no real numbers, or if the samples
        are in chunks and the signal is periodic or the kernel spectral at a sigma below 2.5, where
        its taps reach far beyond any halo.

    Examples
    --------
    >>> signal = xr.DataArray(np.eye(1, 400, 200), dims=("series", "sample"))
    >>> whole = smooth(signal, 3.0)
    >>> bool(abs(smooth(signal.chunk(sample=100), 3.0) - whole).max() < 1e-12)
    True
    """
    _require(signal, dim)
    width = require_number("sigma", sigma, 0.0, LARGEST_SIGMA)
    gaussian.derivative([0.0, 1.0], width, order, kernel=kernel, boundary=boundary)
    options: dict[str, Any] = {"sigma": width, "order": order}
    options |= {"kernel": kernel, "boundary": boundary}
    chunked = signal.chunks is not None and len(signal.chunksizes[dim]) > 1
    if chunked and not gaussian.reaches_halo(width, kernel, boundary):
        raise ValueError(
            "a periodic signal, and the spectral kernel at fine scales, need whole series, and the "
            f"signal has {len(signal.chunksizes[dim])} chunks along {dim!r}; rechunk with "
            f"signal.chunk({{{dim!r}: -1}})"
        )
    halo = gaussian.halo(width)
    if chunked and halo >= signal.sizes[dim]:
        signal, chunked = signal.chunk({dim: -1}), False
    if not chunked:
        result = xr.apply_ufunc(
            _derive,
            signal,
            kwargs=options,
            input_core_dims=[[dim]],
            output_core_dims=[[dim]],
            dask="parallelized",
            output_dtypes=[np.float64],
            keep_attrs=False,
        )
        whole: xr.DataArray = result.transpose(*signal.dims)
        return whole
    axis = signal.get_axis_num(dim)
    depth = {n: 0 for n in range(signal.ndim)} | {axis: halo}
    work = partial(_derive, axis=axis, **options)
    found = da.map_overlap(work, signal.data, depth=depth, boundary="none", dtype=np.float64)
    pieces: xr.DataArray = signal.copy(data=found).drop_attrs(deep=False)
    return pieces


def _derive(
    signal: Array, sigma: float, order: int, kernel: Kernel, boundary: Boundary, axis: int = -1
) -> Array:
    last = np.moveaxis(np.asarray(signal, np.float64), axis, -1)
    rows = _flat(last)
    found = gaussian.derivative(rows, sigma, order, kernel=kernel, boundary=boundary)
    return np.moveaxis(found.reshape(last.shape), -1, axis)


def decompose(
    signal: xr.DataArray,
    params: DecomposeParams | None = None,
    *,
    dim: str = "sample",
    x: xr.DataArray | None = None,
) -> xr.Dataset:
    """Decompose every series of an array into Gaussians on a baseline.

    Parameters
    ----------
    signal : (..., sample) DataArray
        NumPy or Dask, in any chunks along the series and one along the samples.
    params : DecomposeParams, optional
        Baseline, penalty, noise, intervals and caps.
    dim : str, optional
        What the samples' dimension is called.
    x : (sample,) or (..., sample) DataArray, optional
        Positions, by default the coordinate of `dim`, or else 0, 1, 2 and so on.

    Returns
    -------
    Dataset
        The fields of `core.peaks.Decomposition`, with dimensions component, bound (of an interval)
        and term (of the baseline) behind those of the series; lazy where `signal` is. A series that
        cannot be decomposed has a `status` other than 0.

    Raises
    ------
    ValueError
        If `dim` is no dimension of `signal`, or is cut into several chunks, or `x` does not fit.

    Examples
    --------
    >>> rows = 5 + np.exp(-0.5 * ((np.arange(200) - np.array([[60], [120]])) / 8) ** 2)
    >>> rows += 0.001 * np.random.default_rng(0).standard_normal(rows.shape)
    >>> found = decompose(xr.DataArray(rows, dims=("series", "sample")))
    >>> found.center[:, 0].values.round(1).tolist(), found.n_components.values.tolist()
    ([60.0, 120.0], [1, 1])
    """
    p = params or DecomposeParams()
    place = _positions(signal, dim) if x is None else _checked(x, signal, dim)
    names = [one.name for one in fields(Decomposition)]
    sample = peaks.decompose(None, np.zeros((1, 0)), p)
    found = _apply(
        lambda y, at: _fields(peaks.decompose(_rows(at, y), _flat(y), p), names, y),
        [signal, place],
        dim,
        [_dims(name) for name in names],
        [getattr(sample, name).dtype for name in names],
        {"component": p.max_components, "bound": 2, "term": 2},
    )
    return xr.Dataset(dict(zip(names, found, strict=True)), attrs={"params": _recorded(p)})


def count_stable(
    signal: xr.DataArray, params: StableParams | None = None, *, dim: str = "sample"
) -> xr.Dataset:
    """Count the Gaussians of every series by the scale at which the count is most stable.

    Parameters
    ----------
    signal : (..., sample) DataArray
        Evenly spaced; NumPy or Dask, in any chunks along the series and one along the samples.
    params : StableParams, optional
        Scales and significance.
    dim : str, optional
        What the samples' dimension is called.

    Returns
    -------
    Dataset
        `count`, `sigma` (of the stretch, in samples), `lifetime` (in octaves), `noise`, `status`.

    Raises
    ------
    ValueError
        If `dim` is no dimension of `signal`, or is cut into several chunks.

    Examples
    --------
    >>> row = np.exp(-0.5 * ((np.arange(200) - 60) / 8) ** 2)
    >>> int(count_stable(xr.DataArray(row, dims="sample"))["count"])
    1
    """
    p = params or StableParams()
    kinds: dict[str, Any] = {"count": np.int64, "sigma": np.float64, "lifetime": np.float64}
    kinds |= {"noise": np.float64, "status": np.int8}
    found = _apply(
        lambda y: _fields(scale_space.stable_count(_flat(y), params=p), list(kinds), y),
        [signal],
        dim,
        [[] for _ in kinds],
        list(kinds.values()),
        {},
    )
    return xr.Dataset(dict(zip(kinds, found, strict=True)), attrs={"params": _recorded(p)})


def crossings(
    signal: xr.DataArray,
    sigmas: Any,  # noqa: ANN401
    params: ScaleParams | None = None,
    *,
    dim: str = "sample",
    most: int = CROSSINGS,
) -> xr.Dataset:
    """Find the zero crossings of the second derivative of every series at every scale.

    Parameters
    ----------
    signal : (..., sample) DataArray
        Evenly spaced; NumPy or Dask, in any chunks along the series and one along the samples.
    sigmas : (scale,) array_like
        Rising, in samples.
    params : ScaleParams, optional
        Kernel, boundary and round-off.
    dim : str, optional
        What the samples' dimension is called.
    most : int, optional
        Positions that are kept a scale; a scale with more has none, but its count.

    Returns
    -------
    Dataset
        `crossing (..., scale, rank)`, in samples, NaN behind the last; `n_crossings (...,
        scale)`; `faults (...)`: scale steps that create a crossing, and crossings that no finer
        scale has, which the discrete kernel never shows; `status`. `scale` is a coordinate.

    Raises
    ------
    ValueError
        If `dim` is no dimension of `signal`, or is cut into several chunks.

    Examples
    --------
    >>> row = 300 + np.exp(-0.5 * ((np.arange(200) - 60) / 8) ** 2)
    >>> found = crossings(xr.DataArray(row, dims="sample"), [0.05, 1.0])
    >>> found.n_crossings.values.tolist(), found.crossing[0, :2].values.round().tolist()
    ([2, 2], [52.0, 68.0])
    """
    ladder = scale_space.checked_ladder(sigmas)
    require_integer("most", most, 1, 2**31 - 1)
    names = ("crossing", "n_crossings", "faults", "status")
    dims: list[list[str]] = [["scale", "rank"], ["scale"], [], []]
    found = _apply(
        lambda y: _crossings(y, ladder, params, most),
        [signal],
        dim,
        dims,
        [np.float64, np.int64, np.int64, np.int8],
        {"scale": ladder.size, "rank": most},
    )
    data = dict(zip(names, found, strict=True))
    return xr.Dataset(data, {"scale": ladder}, {"params": _recorded(params or ScaleParams())})


def _crossings(y: Array, sigmas: Array, params: ScaleParams | None, most: int) -> tuple[Array, ...]:
    found = scale_space.fingerprint(_flat(y), sigmas, params)
    count = found.count
    kept = np.full((*count.shape, most), np.nan)
    for i, s in zip(*np.nonzero((count > 0) & (count <= most)), strict=True):
        first = found.offset[i, s]
        kept[i, s, : count[i, s]] = found.position[first : first + count[i, s]]
    values = (kept, count, found.increases + found.unlinked, found.status)
    return tuple(value.reshape((*y.shape[:-1], *value.shape[1:])) for value in values)


def _require(signal: xr.DataArray, dim: str) -> None:
    if dim not in signal.dims:
        raise ValueError(f"signal has dimensions {signal.dims}, none is {dim!r}; name it with dim=")
    _require_numbers("signal", signal.dtype)


def _require_numbers(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "buif":
        raise ValueError(
            f"{name} must hold real numbers, got {dtype}; convert it first, a complex one to its "
            "real part or magnitude"
        )


def _apply(
    work: Callable[..., tuple[Array, ...]],
    given: list[xr.DataArray],
    dim: str,
    dims: list[list[str]],
    kinds: list[Any],
    sizes: dict[str, int],
) -> tuple[xr.DataArray, ...]:
    """Apply a function to whole series, lazily where they are lazy."""
    signal = given[0]
    _require(signal, dim)
    taken = {name for names in dims for name in names} & {*map(str, signal.dims)}
    taken |= {name for names in dims for name in names} & {*map(str, signal.coords)}
    if taken:
        raise ValueError(f"the result calls {taken} so too; rename them in the signal first")
    if signal.chunks is not None and len(signal.chunksizes[dim]) > 1:
        raise ValueError(
            f"signal has {len(signal.chunksizes[dim])} chunks along {dim!r}, and whole series are "
            f"needed; rechunk with signal.chunk({{{dim!r}: -1}})"
        )
    found: tuple[xr.DataArray, ...] = xr.apply_ufunc(
        work,
        *given,
        input_core_dims=[[dim]] * len(given),
        output_core_dims=dims,
        dask="parallelized",
        output_dtypes=kinds,
        dask_gufunc_kwargs={"output_sizes": sizes},
        keep_attrs=False,
    )
    return found


def _positions(signal: xr.DataArray, dim: str) -> xr.DataArray:
    _require(signal, dim)
    if dim in signal.coords:
        if signal.coords[dim].dtype.kind not in "buif":
            raise ValueError(
                f"the coordinate {dim!r} is {signal.coords[dim].dtype}; give numbers as x="
            )
        return signal.coords[dim].variable.to_base_variable()  # type: ignore[no-any-return]
    return xr.DataArray(np.arange(signal.sizes[dim]), dims=dim)


def _checked(x: xr.DataArray, signal: xr.DataArray, dim: str) -> xr.DataArray:
    """Return given positions, whole along the samples; refuse what does not fit the signal."""
    _require(signal, dim)
    if not isinstance(x, xr.DataArray):
        raise ValueError(
            f"x must be a DataArray with the dimension {dim!r}, got {type(x).__name__}"
        )
    _require_numbers("x", x.dtype)
    wrong = {name: size for name, size in x.sizes.items() if signal.sizes.get(name) != size}
    if wrong or dim not in x.dims:
        raise ValueError(
            f"x must lie along {dim!r}, and no dimension that the signal has not: the signal has "
            f"{dict(signal.sizes)}, x has {dict(x.sizes)}; rename or broadcast them first"
        )
    return x if x.chunks is None else x.chunk({dim: -1})


def _dims(name: str) -> list[str]:
    if name in TERMS:
        return ["term"]
    base = name.removesuffix("_error").removesuffix("_interval")
    if base not in PER_COMPONENT:
        return []
    return ["component", "bound"] if name.endswith("_interval") else ["component"]


def _flat(y: Array) -> Array:
    return y.reshape(math.prod(y.shape[:-1]), y.shape[-1])


def _rows(values: Array, like: Array) -> Array:
    return values if values.ndim == 1 else _flat(np.broadcast_to(values, like.shape))


def _fields(found: Any, names: list[str], y: Array) -> tuple[Array, ...]:  # noqa: ANN401
    values = (getattr(found, name) for name in names)
    return tuple(value.reshape((*y.shape[:-1], *value.shape[1:])) for value in values)


def _recorded(params: Any) -> str:  # noqa: ANN401
    return json.dumps(asdict(params))


def find_structure(order: Order, params: StructureParams) -> None:
    """Find the structure of every signal where it is missing or stale, into `scale_space`."""
    mark = fingerprint(VERSION, {**asdict(params), "ingest version": ingest.VERSION})
    step = worklist.Step(name=STEP, kind="signal", mark=mark)
    with Ledger(order.output.ledger) as ledger:
        worklist.make_room(ledger, order.output, step, store.SCALE_SPACE)
        worklist.carry_out(ledger, step, order.asking(params), structure_batch)


def structure_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Find the structure of the series of one batch; runs in a worker."""
    return signals.measure(order, batch, store.SCALE_SPACE, structure_of)


def structure_of(x: Array, y: Array, params: StructureParams) -> dict[str, Any]:
    """Return what the store keeps of one signal's structure, by name.

    Gaps of up to 5 samples (or stretches of a long signal) are bridged by straight lines for the
    scale space, which goes by sample in the order of x, whatever the spacing; the decomposition
    leaves missing samples out. Longer gaps leave the scale space empty, with a status.

    Parameters
    ----------
    x, y : (sample,) array
        The signal; a long one is looked at by the means of equal stretches.
    params : StructureParams
        What is looked for, and what is long.
    """
    place, means, _, stretch = means_of_stretches(x, y, params.longest)
    there = np.isfinite(means) & np.isfinite(place)
    parts = peaks.decompose(place[None, there], means[None, there], params.decompose)
    order = order_along(x)
    along = y if order is None else y[order]
    in_order = means_of_stretches(np.arange(y.size), along, params.longest).y
    even = fill_gaps(in_order, LONGEST_GAP)[None]
    ladder = np.geomspace(0.5, max(even.size / 8, 1.0), SCALES)
    kept, count, faults, status = _crossings(even, ladder, None, CROSSINGS)
    stable = scale_space.stable_count(even, params=params.stable)
    values = {one.name: getattr(parts, one.name)[0] for one in fields(Decomposition)}
    return values | {
        "component_status": values["status"],
        "scale": ladder * stretch,
        "crossing": (kept[0] + 0.5) * stretch - 0.5,
        "n_crossings": count[0],
        "faults": faults[0],
        "scale_status": status[0],
        "stable_count": stable.count[0],
        "stable_sigma": stable.sigma[0] * stretch,
        "stable_lifetime": stable.lifetime[0],
    }
