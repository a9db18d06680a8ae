"""Image quality: PIQE scores with their block maps, and MSCN maps.

`mscn` and `piqe` serve anyone's own xarray arrays; `score` and `write_mscn_maps` are the steps.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from core import mscn as core_mscn
from core.luma import to_levels
from core.mscn import MscnParams
from core.piqe import PiqeParams, block_statistics, pool
from tasks import batches, ingest, scoring, store, worklist
from tasks.batches import Order
from tasks.ledger import Ledger, fingerprint

VERSION = 1
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class QualityParams:
    """What is measured of every image."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "use_attribute_docstrings": True,
        "extra": "forbid",
    }

    piqe: PiqeParams = field(default_factory=PiqeParams)
    """How the PIQE score and its block maps are computed; the defaults are MATLAB's."""
    mscn_maps: bool = False
    """Store every image's MSCN map too: 4 bytes a pixel before compression."""


def mscn(image: xr.DataArray, params: MscnParams | None = None) -> xr.DataArray:
    """Return the MSCN map of every gray image of an array.

    Parameters
    ----------
    image : (..., y, x) DataArray
        Gray, of a class that `core.mscn.mscn` takes; NumPy or Dask, in any chunks.
    params : MscnParams, optional
        By default PIQE's.

    Returns
    -------
    (..., y, x) DataArray
        float64; lazy where `image` is; the same bits for any chunks.

    Raises
    ------
    ValueError
        If the last two dimensions are not y and x.

    Examples
    --------
    >>> frames = xr.DataArray(np.eye(40).reshape(1, 40, 40), dims=("frame", "y", "x"))
    >>> whole = mscn(frames)
    >>> bool((mscn(frames.chunk(y=17, x=9)) == whole).all())
    True
    """
    p = params or MscnParams()
    lazy = _lazy(image)
    maps = lazy.map_overlap(
        _mscn_tile,
        depth=_halo(lazy, p.halo),
        boundary="none",
        trim=True,
        dtype=np.float64,
        meta=np.empty((0,) * lazy.ndim),
        params=p,
    )
    result: xr.DataArray = _like(image, image.copy(data=maps).rename("mscn"))
    return result


def piqe(image: xr.DataArray, params: PiqeParams | None = None) -> xr.Dataset:
    """Score every gray image of an array, with its block maps.

    Parameters
    ----------
    image : (..., y, x) DataArray
        Gray, of a class that `core.piqe.piqe` takes; NumPy or Dask, in any chunks.
    params : PiqeParams, optional
        By default MATLAB's.

    Returns
    -------
    Dataset
        `piqe (...)`; `activity`, `artifact`, `noise`, `variance (..., block_y, block_x)`; lazy
        where `image` is; the same bits for any chunks.

    Raises
    ------
    ValueError
        If the last two dimensions are not y and x.

    Examples
    --------
    >>> frames = xr.DataArray(np.eye(40).reshape(1, 40, 40), dims=("frame", "y", "x"))
    >>> whole = piqe(frames)
    >>> bool((piqe(frames.chunk(y=17, x=9)).piqe == whole.piqe).all())
    True
    """
    p = params or PiqeParams()
    lazy = _lazy(image)
    padded = da.overlap.overlap(lazy, depth=_halo(lazy, p.mscn.halo), boundary="none")
    blocks = [tuple(-(-extent // store.BLOCK) for extent in axis) for axis in lazy.chunks[-2:]]
    maps = padded.map_blocks(
        _piqe_tile,
        params=p,
        tiles=lazy.numblocks,
        new_axis=0,
        chunks=((4,), *lazy.chunks[:-2], *blocks),
        dtype=np.float64,
        meta=np.empty((0,) * (lazy.ndim + 1)),
    ).rechunk({0: -1, lazy.ndim - 1: -1, lazy.ndim: -1})
    scores = maps.map_blocks(
        _pool_maps, drop_axis=[0, lazy.ndim - 1, lazy.ndim], dtype=np.float64, meta=np.empty(0)
    )
    result: xr.Dataset = _like(image, _dataset(image, scores, maps))
    return result


def _dataset(image: xr.DataArray, scores: Any, maps: Any) -> xr.Dataset:  # noqa: ANN401
    leading = image.dims[:-2]
    grid = (*leading, "block_y", "block_x")
    names = ("activity", "artifact", "noise")
    masks = {name: (grid, maps[n].astype(bool)) for n, name in enumerate(names)}
    data = {"piqe": (leading, scores), **masks, "variance": (grid, maps[3])}
    coordinates = {
        name: values for name, values in image.coords.items() if set(values.dims) <= set(leading)
    }
    return xr.Dataset(data, coords=coordinates)


def _lazy(image: xr.DataArray) -> Any:  # noqa: ANN401
    """Return a Dask array whose chunks begin on multiples of a block."""
    if image.dims[-2:] != ("y", "x"):
        raise ValueError(
            f"the last dimensions must be y and x, got {image.dims}; "
            "rename or transpose them, and turn RGB into gray with core.luma.to_gray"
        )
    lazy = da.asarray(image.data)
    return lazy.rechunk(
        {lazy.ndim - 2: _aligned(lazy.chunks[-2]), lazy.ndim - 1: _aligned(lazy.chunks[-1])}
    )


def _aligned(extents: tuple[int, ...]) -> tuple[int, ...]:
    """Cut an axis on multiples of a block, none of the pieces shorter than one but a single."""
    total = sum(extents)
    size = max(store.BLOCK, max(extents) // store.BLOCK * store.BLOCK)
    starts = [start for start in range(0, total, size) if start == 0 or total - start >= size]
    return tuple(int(n) for n in np.diff([*starts, total])) or (0,)


def _halo(lazy: Any, halo: int) -> dict[int, int]:  # noqa: ANN401
    sides = {axis: 0 for axis in range(lazy.ndim)}
    return sides | {lazy.ndim - 2: halo, lazy.ndim - 1: halo}


def _frames(tile: Array) -> Array:
    return tile.reshape(-1, *tile.shape[-2:])


def _mscn_tile(tile: Array, params: MscnParams) -> Array:
    maps = [core_mscn.mscn(frame, params) for frame in _frames(tile)]
    return np.stack(maps).reshape(tile.shape)


def _piqe_tile(
    tile: Array,
    params: PiqeParams,
    tiles: tuple[int, ...],
    block_id: tuple[int, ...],
) -> Array:
    """Measure a tile that carries a halo on every side that is not the image's border."""
    spans = []
    for axis in (-2, -1):
        before = params.mscn.halo if block_id[axis] > 0 else 0
        after = params.mscn.halo if block_id[axis] < tiles[axis] - 1 else 0
        spans.append((before, tile.shape[axis] - after))
    found = []
    for frame in _frames(tile):
        blocks = block_statistics(to_levels(frame), params, rows=spans[0], columns=spans[1])
        found.append([blocks.activity, blocks.artifact, blocks.noise, blocks.variance])
    maps = np.stack(found, axis=1) if found else np.empty((4, 0, 0, 0))
    return np.asarray(maps, np.float64).reshape(4, *tile.shape[:-2], *maps.shape[-2:])


def _pool_maps(maps: Array) -> Array:
    activity, artifact, noise, variance = maps
    leading = variance.shape[:-2]
    scores = [
        pool(variance[at], *(mask[at] > 0 for mask in (activity, artifact, noise)))
        for at in np.ndindex(leading)
    ]
    return np.array(scores).reshape(leading)


def _like(image: xr.DataArray, result: Any) -> Any:  # noqa: ANN401
    """Return a result lazy where the image is, and in memory where it is."""
    return result if image.chunks is not None else result.compute(scheduler="synchronous")


def score(order: Order, params: QualityParams) -> None:
    """Score every image whose score is missing or stale, into `quality`."""
    step = worklist.Step(name="piqe", kind="image", mark=_mark(params.piqe))
    _carry_out(order.asking(params.piqe), step, scoring.score_batch, store.QUALITY)


def write_mscn_maps(order: Order, params: QualityParams) -> None:
    """Write every image's MSCN map that is missing or stale, where they are asked for."""
    if params.mscn_maps:
        step = worklist.Step(name="mscn", kind="image", mark=_mark(params.piqe.mscn))
        _carry_out(order.asking(params.piqe.mscn), step, scoring.mscn_batch, (store.MSCN,))


def _mark(params: PiqeParams | MscnParams) -> str:
    return fingerprint(VERSION, {**asdict(params), "ingest version": ingest.VERSION})


def _carry_out(
    order: Order,
    step: worklist.Step,
    work: batches.Work,
    variables: tuple[store.Variable, ...],
) -> None:
    with Ledger(order.output.ledger) as ledger:
        worklist.make_room(ledger, order.output, step, variables)
        worklist.carry_out(ledger, step, order, work)
