"""Image quality of anyone's own xarray arrays: MSCN maps, PIQE scores and what lies behind them.

A Dask array is measured tile by tile, and gives the bits of the whole image in any chunks. The
steps of a run, which do the same over the store, are in `tasks/scoring.py`.
"""

import json
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from core import mscn as core_mscn
from core.checks import require_params
from core.levels import Range, black_and_white, require_pixels, require_positive
from core.luma import require_class, to_gray
from core.mscn import MscnParams
from core.mscn_statistics import NAMES, estimate
from core.piqe import Blocks, PiqeParams, block_statistics, pool
from core.piqe_blocks import join
from tasks.store import BLOCK
from tasks.tiles import Tile, frames, map_tiles

Array = NDArray[Any]
Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)
MAPS = {"activity": bool, "artifact": bool, "noise": bool, "variance": np.float64}


def mscn(image: xr.DataArray, params: MscnParams | None = None) -> xr.DataArray:
    """Return the MSCN map of every image of an array.

    Parameters
    ----------
    image : (..., y, x) or (..., y, x, channel) DataArray
        Gray, or 3 channels of RGB, of a class that `core.mscn.mscn` takes; NumPy or Dask, in any
        chunks.
    params : MscnParams, optional
        By default PIQE's.

    Returns
    -------
    (..., y, x) DataArray
        float64, or float32 where the precision is fast and the gray levels 8-bit; lazy where
        `image` is; the same bits for any chunks.

    Raises
    ------
    ValueError
        At once where the dimensions, the class or the size are not as above; when it is computed,
        where a value is not finite or negative, as `core.mscn.mscn` says.

    Examples
    --------
    >>> frames = xr.DataArray(np.eye(40).reshape(1, 40, 40), dims=("frame", "y", "x"))
    >>> whole = mscn(frames)
    >>> bool((mscn(frames.chunk(y=17, x=9)) == whole).all())
    True
    """
    p = require_params(params, MscnParams)
    gray = _gray(image, p, p.halo)
    kind = core_mscn.mscn(np.zeros((1, 2), gray.dtype), p).dtype
    maps = map_tiles(
        partial(_mscn_tile, params=p), gray, p.halo, chunks=gray.chunks[-2:], dtype=kind
    )
    dims = (*_leading(image), "y", "x")
    coordinates = {n: c for n, c in image.coords.items() if set(c.dims) <= set(dims)}
    result = xr.DataArray(maps, coordinates, dims, "mscn", {"params": _recorded(p)})
    return _like(image, result)


def piqe(
    image: xr.DataArray, params: PiqeParams | None = None, *, statistics: bool = False
) -> xr.Dataset:
    """Score every image of an array, with its block maps.

    Parameters
    ----------
    image : (..., y, x) or (..., y, x, channel) DataArray
        Gray, or 3 channels of RGB, of a class that `core.piqe.piqe` takes; NumPy or Dask, in any
        chunks. An image may be larger than memory.
    params : PiqeParams, optional
        By default MATLAB's.
    statistics : bool, optional
        Measure how the MSCN coefficients and the products of neighbours are distributed, too.

    Returns
    -------
    Dataset
        `piqe`, `active_fraction`, `distorted_fraction`, `noisy_fraction (...)`; `activity`,
        `artifact`, `noise`, `variance (..., block_y, block_x)`; if asked for, `statistics
        (..., statistic)`, named by a coordinate. Lazy where `image` is; the same bits for any
        chunks.

    Raises
    ------
    ValueError
        As `mscn`.

    Examples
    --------
    >>> frames = xr.DataArray(np.eye(40).reshape(1, 40, 40), dims=("frame", "y", "x"))
    >>> whole = piqe(frames)
    >>> bool((piqe(frames.chunk(y=17, x=9)).piqe == whole.piqe).all())
    True
    >>> float(piqe(frames, statistics=True).statistics.sel(statistic="mscn_shape")[0]).__round__(2)
    0.25
    """
    p = require_params(params, PiqeParams)
    gray = _gray(image, p.mscn, p.halo(statistics=statistics))
    blocks = _blocks(gray, p, statistics)
    extent = gray.shape[-2:]
    grid = (-(-extent[0] // BLOCK), -(-extent[1] // BLOCK))
    leading = _leading(image)
    data = {
        name: (leading, _number(blocks, measure))
        for name, measure in (
            ("piqe", pool),
            ("active_fraction", partial(_mean, name="activity")),
            ("distorted_fraction", partial(_mean, name="artifact")),
            ("noisy_fraction", partial(_mean, name="noise")),
        )
    }
    for name, kind in MAPS.items():
        values = _field(blocks, partial(_map, name=name), grid, kind)
        data[name] = ((*leading, "block_y", "block_x"), values)
    coordinates = {n: c for n, c in image.coords.items() if set(c.dims) <= set(leading)}
    taken = {*data, "statistics", "statistic", "block_y", "block_x"} & {*coordinates, *leading}
    if taken:
        raise ValueError(
            f"the image has dimensions or coordinates that the result calls so too: {taken}; "
            "rename them first"
        )
    if statistics:
        values = _field(blocks, partial(_fit, extent=extent), (1, len(NAMES)), np.float64)
        data["statistics"] = ((*leading, "statistic"), values[..., 0, :])
        coordinates["statistic"] = ("statistic", list(NAMES))
    return _like(image, xr.Dataset(data, coordinates, {"params": _recorded(p)}))


def _leading(image: xr.DataArray) -> tuple[Any, ...]:
    """Return the dimensions before y and x."""
    if image.dims[-2:] == ("y", "x"):
        return image.dims[:-2]
    if image.dims[-3:-1] == ("y", "x") and image.sizes[image.dims[-1]] == 3:
        return image.dims[:-3]
    shape = ", ".join(f"{name}: {size}" for name, size in image.sizes.items())
    raise ValueError(
        f"dimensions ({shape}) are neither (..., y, x) for gray nor (..., y, x, channel: 3) for "
        "RGB; rename or transpose them, or pick channels with isel"
    )


def _gray(image: xr.DataArray, params: MscnParams, halo: int) -> Any:  # noqa: ANN401
    """Return gray as a Dask array whose chunks begin on multiples of a block."""
    leading = len(_leading(image))
    require_class(image.dtype)
    black_and_white(image.dtype, params.data_range)
    require_pixels((image.sizes["y"], image.sizes["x"]))
    lazy = da.asarray(image.data)
    if any(np.isnan(lazy.shape)):
        raise ValueError(
            "the image's chunks have unknown sizes; call image.data.compute_chunk_sizes() first"
        )
    least = -(-halo // BLOCK) * BLOCK
    axes = {axis: _aligned(lazy.chunks[axis], least) for axis in (leading, leading + 1)}
    if lazy.ndim == leading + 2:
        return lazy.rechunk(axes)
    colours = lazy.rechunk({**axes, leading + 2: -1})
    return colours.map_blocks(
        _gray_tile,
        data_range=params.data_range,
        drop_axis=leading + 2,
        dtype=lazy.dtype,
        meta=np.empty((0,) * (leading + 2), lazy.dtype),
    )


def _aligned(extents: tuple[int, ...], least: int) -> tuple[int, ...]:
    """Cut an axis on multiples of a block, no piece shorter than `least` but a single one."""
    total = sum(extents)
    size = max(least, max(extents) // BLOCK * BLOCK)
    starts = [start for start in range(0, total, size) if start == 0 or total - start >= least]
    return tuple(int(n) for n in np.diff([*starts, total]))


def _blocks(gray: Any, params: PiqeParams, statistics: bool) -> Any:  # noqa: ANN401
    """Return a lazy object array of the `Blocks` of every image, shape (..., 1, 1)."""
    tiles = map_tiles(
        partial(_measure_tile, params=params, statistics=statistics),
        gray,
        params.halo(statistics=statistics),
        chunks=tuple((1,) * n for n in gray.numblocks[-2:]),
        dtype=object,
    )
    return tiles.rechunk({gray.ndim - 2: -1, gray.ndim - 1: -1}).map_blocks(
        _join_tiles,
        chunks=(*gray.chunks[:-2], (1,), (1,)),
        dtype=object,
        meta=np.empty((0,) * gray.ndim, object),
    )


def _number(blocks: Any, measure: Any) -> Any:  # noqa: ANN401
    return _field(blocks, measure, (1, 1), np.float64)[..., 0, 0]


def _field(blocks: Any, measure: Any, shape: tuple[int, int], kind: Any) -> Any:  # noqa: ANN401
    """Return what `measure` finds of every image's blocks, as an array of this shape each."""
    return blocks.map_blocks(
        _measure_each,
        measure=measure,
        shape=shape,
        chunks=(*blocks.chunks[:-2], *((size,) for size in shape)),
        dtype=kind,
        meta=np.empty((0,) * blocks.ndim, kind),
    )


def _gray_tile(tile: Array, data_range: Range) -> Array:
    gray = np.empty(tile.shape[:-1], tile.dtype)
    for frame, out in zip(frames(tile, 3), frames(gray), strict=True):
        require_positive(frame, data_range)
        out[:] = to_gray(frame)
    return gray


def _mscn_tile(tile: Tile, params: MscnParams) -> Array:
    return core_mscn.mscn(tile.pixels, params)[slice(*tile.rows), slice(*tile.columns)]


def _measure_tile(tile: Tile, params: PiqeParams, statistics: bool) -> Blocks:
    return block_statistics(
        params.mscn.gray_levels(tile.pixels),
        params,
        rows=tile.rows,
        columns=tile.columns,
        statistics=statistics,
    )


def _join_tiles(tiles: Array) -> Array:
    whole = np.empty((*tiles.shape[:-2], 1, 1), object)
    for n, grid in enumerate(frames(tiles)):
        whole.flat[n] = join(grid)
    return whole


def _measure_each(blocks: Array, measure: Any, shape: tuple[int, int]) -> Array:  # noqa: ANN401
    values = np.array([measure(each) for each in blocks.ravel()])
    return values.reshape(*blocks.shape[:-2], *shape)


def _mean(blocks: Blocks, name: str) -> float:
    return float(getattr(blocks, name).mean())


def _map(blocks: Blocks, name: str) -> Array:
    return np.asarray(getattr(blocks, name))


def _fit(blocks: Blocks, extent: tuple[int, int]) -> Array:
    assert blocks.moments is not None
    return estimate(blocks.moments, extent).values


def _recorded(params: PiqeParams | MscnParams) -> str:
    return json.dumps(asdict(params))


def _like(image: xr.DataArray, result: Labelled) -> Labelled:
    """Return a result lazy where the image is, and in memory where it is."""
    return result if image.chunks is not None else result.compute(scheduler="synchronous")
