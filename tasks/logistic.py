"""The logistic classifier over Dask arrays: chunk sums in the workers, added up as a tree."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import compute
from dask.base import persist as hold
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from core.logistic import Chunk, LogisticClassifier, Statistics
from core.logistic.prepare import checked, class_factors, class_totals, coded, union_of
from core.logistic.sums import add, widen

Floats = NDArray[np.float64]
FAN_IN = 8
"""Partial sums that one task adds: no worker ever holds many."""


class DaskSums:
    """The sums of `core.logistic.Chunk` over delayed chunks; each call is one pass.

    Parameters
    ----------
    chunks : sequence of Delayed
        Each computes to a Chunk. Persist them where they fit into the workers' memory.
    """

    def __init__(self, chunks: Sequence[Delayed]) -> None:
        self.chunks = list(chunks)

    def statistics(self) -> Statistics:
        """Return the statistics of all samples."""
        result: Statistics = self._total(_join, Chunk.statistics)
        return result

    def loss_gradient(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the summed loss and its gradient."""
        result: tuple[Floats, Floats] = self._total(_add, Chunk.loss_gradient, theta)
        return result

    def linearise(self, theta: Floats) -> Callable[[Floats], Floats]:
        """Return the function that multiplies the Hessian at theta with a direction.

        The probabilities are computed anew for every direction: nothing stays in the workers.
        """

        def product(direction: Floats) -> Floats:
            result: Floats = self._total(_add, _curvature, theta, direction)[0]
            return result

        return product

    def gram(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the summed loss, its gradient and the blocks of its Hessian."""
        result: tuple[Floats, Floats, Floats] = self._total(_add, Chunk.gram, theta)
        return result

    def margins(self, theta: Floats) -> tuple[float, float]:
        """Return the least and the largest lead of a sample's own logit over the others'."""
        result: tuple[float, float] = self._total(_widen, Chunk.margins, theta)
        return result

    def _total(
        self, join: Callable[[list[Any]], Any], of: Callable[..., Any], *theta: Floats
    ) -> Any:  # noqa: ANN401
        parts = [delayed(of)(chunk, *theta) for chunk in self.chunks]
        return _tree(parts, join).compute()


def fit_logistic(
    model: LogisticClassifier,
    x: da.Array | xr.DataArray,
    y: da.Array | xr.DataArray | NDArray[Any],
    sample_weight: da.Array | xr.DataArray | NDArray[Any] | None = None,
    *,
    persist: bool = False,
) -> LogisticClassifier:
    """Fit a model to Dask arrays, on whatever scheduler or cluster Dask is set to.

    Parameters
    ----------
    model : LogisticClassifier
        What to fit; its solver must work from sums: not sag, saga or liblinear.
    x : (sample, feature) array
        Features, chunked along the samples; what is chunked along the features is joined. Chunks
        without samples are passed over.
    y : (sample,) array
        Labels; a class may be missing in some chunks.
    sample_weight : (sample,) array, optional
        Weights of 0 or more.
    persist : bool
        Keep the checked chunks in the workers' memory; otherwise every pass reads them anew.

    Returns
    -------
    LogisticClassifier
        `model`, fitted: the same coefficients, to the tolerance, for any chunks.

    Raises
    ------
    ValueError
        As `LogisticClassifier.fit`, and where the lengths differ or are not known.

    Examples
    --------
    >>> x = da.from_array(np.arange(8.0)[:, None], chunks=(3, 1))
    >>> y = np.array(["low", "low", "low", "high", "low", "high", "high", "high"])
    >>> model = fit_logistic(LogisticClassifier(), x, y)
    >>> whole = LogisticClassifier().fit(np.asarray(x), y)
    >>> bool(np.allclose(model.coef_, whole.coef_, atol=1e-12))
    True
    """
    pieces = _pieces(x, y, sample_weight)
    ready = [delayed(checked)(*piece, least=0) for piece in pieces]
    if persist:
        ready = list(hold(*ready))
    classes = union_of(compute(*map(delayed(_labels), ready)))
    totals = _tree([delayed(_totals)(part, classes) for part in ready], sum).compute()
    factors = class_factors(model.class_weight, classes, totals)
    chunks = [delayed(_chunk)(part, classes, factors) for part in ready]
    if persist:
        chunks = list(hold(*chunks))
    return model.fit_sums(DaskSums(chunks), classes)


def predict_proba(model: LogisticClassifier, x: da.Array) -> da.Array:
    """Return the (sample, class) probabilities, lazily, chunk by chunk.

    Parameters
    ----------
    model : LogisticClassifier
        Fitted.
    x : (sample, feature) Dask array
        Features.
    """
    whole = x.rechunk({1: -1})
    chunks = (whole.chunks[0], (len(model.classes_),))
    lazy: da.Array = da.map_blocks(
        model.predict_proba, whole, chunks=chunks, dtype=np.float64, meta=np.empty((0, 0))
    )
    return lazy


def _pieces(x: Any, y: Any, weights: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Return delayed (x, y, weights) for every chunk of samples."""
    features = _array("x", x)
    if features.ndim != 2:
        raise ValueError(f"x has {features.ndim} dimensions; (sample, feature) is needed")
    features = features.rechunk({1: -1})
    columns = [features.to_delayed()[:, 0]]
    for name, values in (("y", y), ("sample_weight", weights)):
        if values is None:
            columns.append([None] * features.numblocks[0])
            continue
        array = _array(name, values)
        if array.shape != (features.shape[0],):
            raise ValueError(
                f"{name} has shape {array.shape}; ({features.shape[0]},), one each, is needed"
            )
        columns.append(array.rechunk((features.chunks[0],)).to_delayed())
    return list(zip(*columns, strict=True))


def _array(name: str, values: Any) -> da.Array:  # noqa: ANN401
    """Return a Dask array whose chunks are known; a table becomes its values."""
    if isinstance(values, xr.DataArray):
        values = values.data
    elif hasattr(values, "to_dask_array"):
        values = values.to_dask_array()
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if not isinstance(values, da.Array):
        values = np.asarray(values)
        # Dask cannot tell how large Python objects are.
        values = da.from_array(values, chunks=-1 if values.dtype.hasobject else "auto")
    array: da.Array = values
    if np.isnan(array.shape).any():
        raise ValueError(
            f"{name} has chunks of unknown size, as filtered arrays and tables have; call "
            f"{name}.compute_chunk_sizes() first, or {name}.to_dask_array(lengths=True) of a table"
        )
    return array


def _tree(parts: list[Delayed], join: Callable[[list[Any]], Any]) -> Delayed:
    while len(parts) > 1:
        groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
        parts = [delayed(join)(group) for group in groups]
    return parts[0]


def _add(parts: list[tuple[Floats, ...]]) -> tuple[Floats, ...]:
    return reduce(add, parts)


def _widen(parts: list[tuple[float, float]]) -> tuple[float, float]:
    return reduce(widen, parts)


def _join(parts: list[Statistics]) -> Statistics:
    return reduce(lambda a, b: a + b, parts)


def _curvature(chunk: Chunk, theta: Floats, direction: Floats) -> tuple[Floats]:
    return chunk.curvature(chunk.chances(theta), direction)


def _labels(part: Any) -> NDArray[Any]:  # noqa: ANN401
    return np.unique(part[1])


def _totals(part: Any, classes: NDArray[Any]) -> Floats:  # noqa: ANN401
    return class_totals(coded(part[1], classes), part[2], len(classes))


def _chunk(part: Any, classes: NDArray[Any], factors: Floats) -> Chunk:  # noqa: ANN401
    features, labels, weights = part
    codes = coded(labels, classes)
    return Chunk(features, codes, weights * factors[codes], len(classes))
