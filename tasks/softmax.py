"""Softmax over labelled arrays whose classes may lie in many Dask chunks.

The chunks are never joined: each leaves a `core.softmax.SoftmaxState`, these are merged as a tree,
and each chunk is worked on once more beside what all of them sum up to. For anyone's own arrays; no
step needs it, because the rules of `tasks.learning` have few classes.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from core import softmax as core
from core.softmax import Infinities, SoftmaxState

FAN_IN = 8
"""States that one task merges."""
Array = NDArray[Any]


def softmax(
    logits: xr.DataArray,
    dim: str = "class",
    *,
    temperature: float = 1.0,
    inf: Infinities = "limit",
) -> xr.DataArray:
    """Return exp(logits / temperature) divided by its sum along a dimension.

    Parameters
    ----------
    logits : (..., class, ...) DataArray
        NumPy or Dask, in any chunks, along the classes too; of a dtype of `core.softmax.softmax`.
    dim : str, optional
        What the classes' dimension is called.
    temperature, inf
        As of `core.softmax.softmax`.

    Returns
    -------
    (..., class, ...) DataArray
        Dimensions, coordinates, attributes and chunks are those of `logits`; lazy where they are;
        the same bits for any chunks.

    Raises
    ------
    ValueError
        There is no such dimension, or as of `core.softmax.softmax`.

    Examples
    --------
    >>> logits = xr.DataArray([[0.0, 0.0, 0.0, 900.0], [1.0] * 4], dims=("item", "class"))
    >>> chunked = softmax(logits.chunk({"class": 1}))
    >>> chunked.values.tolist()
    [[0.0, 0.0, 0.0, 1.0], [0.25, 0.25, 0.25, 0.25]]
    >>> chunked.identical(softmax(logits))
    True
    """
    return _shared(core.softmax, logits, dim, temperature=temperature, inf=inf)


def log_softmax(
    logits: xr.DataArray,
    dim: str = "class",
    *,
    temperature: float = 1.0,
    inf: Infinities = "limit",
) -> xr.DataArray:
    """Return the logarithm of `softmax`, also where that is 0 or rounds to 1.

    Parameters, result and errors are those of `softmax`.

    Examples
    --------
    >>> logits = xr.DataArray([0.0, 0.0, -1757.0], dims="class")
    >>> log_softmax(logits.chunk({"class": 2})).round(6).values.tolist()
    [-0.693147, -0.693147, -1757.693147]
    """
    return _shared(core.log_softmax, logits, dim, temperature=temperature, inf=inf)


def logsumexp(
    logits: xr.DataArray, dim: str = "class", *, temperature: float = 1.0
) -> xr.DataArray:
    """Return log(sum(exp(logits / temperature))) along a dimension.

    Parameters and errors are those of `softmax`.

    Returns
    -------
    (..., ...) DataArray
        Without that dimension and its coordinates; the same bits for any chunks.

    Examples
    --------
    >>> logits = xr.DataArray([[-1000.0, -1000.0], [0.0, 800.0]], dims=("item", "class"))
    >>> logsumexp(logits.chunk({"class": 1})).round(6).values.tolist()
    [-999.306853, 800.0]
    """
    _require(logits, dim)
    dtype = core.logsumexp(np.zeros(1, logits.dtype), temperature=temperature).dtype

    def total(data: Array | da.Array, axis: int) -> Array | da.Array:
        if not isinstance(data, da.Array):
            return core.logsumexp(data, axis, temperature=temperature)
        lazy: da.Array = da.map_blocks(
            _logsumexp_of,
            _merged(data, axis, temperature),
            drop_axis=axis,
            dtype=dtype,
            meta=np.empty((0,) * (data.ndim - 1), dtype),
        )
        return lazy

    return logits.reduce(total, dim, keep_attrs=True)


def _shared(
    function: Callable[..., Array],
    logits: xr.DataArray,
    dim: str,
    **options: Any,  # noqa: ANN401
) -> xr.DataArray:
    """Apply a function of `core.softmax` that takes a state to every chunk."""
    _require(logits, dim)
    dtype = function(np.zeros(1, logits.dtype), **options).dtype
    data, axis = logits.data, logits.get_axis_num(dim)
    if not isinstance(data, da.Array):
        return logits.copy(data=function(data, axis, **options))
    one = partial(function, axis=axis, **options)
    meta = np.empty((0,) * data.ndim, dtype)
    if data.numblocks[axis] == 1:
        return logits.copy(data=da.map_blocks(one, data, dtype=dtype, meta=meta))
    states = _merged(data, axis, options["temperature"])
    axes = tuple(range(data.ndim))
    return logits.copy(
        data=da.blockwise(
            _beside, axes, data, axes, states, axes, function=one, dtype=dtype, meta=meta,
            align_arrays=False,
        )
    )  # fmt: skip


def _require(logits: xr.DataArray, dim: str) -> None:
    if dim not in logits.dims:
        raise ValueError(
            f"logits have no dimension {dim!r}, only {tuple(logits.dims)}: pass dim, the name of "
            "that of the classes"
        )


def _merged(data: da.Array, axis: int, temperature: float) -> da.Array:
    """Return one state for each chunk of rows, in an array of objects with one chunk of classes."""
    states: da.Array = da.reduction(
        data,
        chunk=partial(_state_of, temperature=temperature),
        aggregate=_merge,
        axis=axis,
        keepdims=True,
        split_every=FAN_IN,
        dtype=object,
        meta=np.empty((0,) * data.ndim, object),
    )
    return states


def _state_of(block: Array, axis: tuple[int], keepdims: bool, temperature: float) -> Array:
    return _boxed(SoftmaxState.of(block, *axis, temperature=temperature), block.ndim)


def _merge(states: Array, axis: tuple[int], keepdims: bool) -> Array:
    return _boxed(reduce(SoftmaxState.merge, states.reshape(-1)), states.ndim)


def _boxed(state: SoftmaxState, ndim: int) -> Array:
    box = np.empty((1,) * ndim, object)
    box[...] = state
    return box


def _beside(block: Array, states: Array, function: Callable[..., Array]) -> Array:
    return function(block, state=states.item())


def _logsumexp_of(states: Array) -> Array:
    state: SoftmaxState = states.item()
    return state.logsumexp()
