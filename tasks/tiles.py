"""Tiles of an image larger than a chunk, each with a halo of its neighbours, in bounded memory.

Dask's own overlap keeps whole chunks waiting for their neighbours: two fifths of an image of 900
megapixels. Here the edges of every chunk are read first, and the chunks again when they are
measured, so that no chunk is ever kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask.base import clone_key
from dask.graph_manipulation import clone
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile between its halos, which are absent where the image ends."""

    pixels: Array
    """(y, x) array."""
    rows: tuple[int, int]
    """Where the tile itself begins and stops in `pixels`."""
    columns: tuple[int, int]
    """Likewise."""


@dataclass(frozen=True, kw_only=True)
class _Edges:
    """What a chunk lends to its neighbours, copied, so that the chunk itself can go."""

    top: Array
    bottom: Array
    left: Array
    right: Array

    @classmethod
    def of(cls, frame: Array, halo: int) -> "_Edges":
        top, bottom, left, right = frame[:halo], frame[-halo:], frame[:, :halo], frame[:, -halo:]
        return cls(top=top.copy(), bottom=bottom.copy(), left=left.copy(), right=right.copy())


def map_tiles(
    measure: Callable[[Tile], Any],
    image: Any,  # noqa: ANN401
    halo: int,
    *,
    chunks: tuple[tuple[int, ...], ...],
    dtype: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return what `measure` finds of every tile of every frame.

    Parameters
    ----------
    measure : callable
        Takes a `Tile`, returns a (y, x) array, or an object that stands for the tile.
    image : (..., y, x) Dask array
        No chunk but the last along an axis is narrower than the halo. Where an image has several
        chunks they are computed twice; `persist` first what costs more than memory.
    halo : int
        Pixels of context on each side.
    chunks : tuple of tuples of int
        Those of the result along y and x.
    dtype : dtype
        Of the result; object where `measure` returns objects.

    Returns
    -------
    (..., y, x) Dask array
        With the chunks of `image` along its first axes.

    Examples
    --------
    >>> image = da.arange(48).reshape(1, 48).rechunk((1, 16))
    >>> map_tiles(lambda tile: tile.pixels.size, image, 3, chunks=((1,), (1, 1, 1)), dtype=object
    ... ).compute(scheduler="sync").tolist()
    [[19, 22, 19]]
    """
    axes = tuple(range(image.ndim))
    y, x = axes[-2:]
    options = {
        "dtype": dtype,
        "meta": np.empty((0,) * image.ndim, dtype),
        "adjust_chunks": {y: chunks[0], x: chunks[1]},
        "align_arrays": False,
    }
    if image.numblocks[-2:] == (1, 1):
        return da.blockwise(_map_whole, axes, image, axes, measure=measure, kind=dtype, **options)
    ones = tuple((1,) * count for count in image.numblocks[-2:])
    edges = image.map_blocks(
        _take_edges,
        halo=halo,
        chunks=(*image.chunks[:-2], *ones),
        dtype=object,
        meta=np.empty((0,) * image.ndim, object),
    )
    depth = dict.fromkeys(axes, 0) | {y: 1, x: 1}
    nothing = dict.fromkeys(axes, "none") | {y: 0, x: 0}
    around = da.overlap.overlap(edges, depth=depth, boundary=nothing)
    return da.blockwise(
        _map_tile, axes, _again(image), axes, around, axes, measure=measure, kind=dtype, **options
    )


def _again(image: Any) -> Any:  # noqa: ANN401
    """Return the same array under other keys, so that Dask computes it once more."""
    seed = "again"
    copy = clone(image, seed=seed)
    layers = {name: _renamed(layer, seed) for name, layer in copy.dask.layers.items()}
    graph = HighLevelGraph(layers, copy.dask.dependencies)
    return da.Array(graph, copy.name, copy.chunks, meta=copy)


def _renamed(layer: Any, seed: str) -> Any:  # noqa: ANN401
    """Rename the keys within task objects, where `clone` forgets them (dask issue 12455)."""
    if not isinstance(layer, MaterializedLayer):
        return layer
    tasks = {}
    for key, task in layer.items():
        if getattr(task, "key", key) != key:
            renames = {old: clone_key(old, seed) for old in task.dependencies}
            task = task.substitute(renames, key=key)
        tasks[key] = task
    return MaterializedLayer(tasks, layer.annotations)


def frames(chunk: Array, axes: int = 2) -> Array:
    """Return the frames of a chunk, one behind the other; each has the last axes."""
    return chunk.reshape(-1, *chunk.shape[-axes:])


def _take_edges(chunk: Array, halo: int) -> Array:
    edges = np.empty((*chunk.shape[:-2], 1, 1), object)
    for n, frame in enumerate(frames(chunk)):
        edges.flat[n] = _Edges.of(frame, halo)
    return edges


def _map_whole(chunk: Array, measure: Any, kind: Any) -> Array:  # noqa: ANN401
    tiles = [
        Tile(pixels=frame, rows=(0, frame.shape[0]), columns=(0, frame.shape[1]))
        for frame in frames(chunk)
    ]
    return _gathered([measure(tile) for tile in tiles], chunk.shape, kind)


def _map_tile(chunk: Array, around: Array, measure: Any, kind: Any) -> Array:  # noqa: ANN401
    pairs = zip(frames(chunk), frames(around), strict=True)
    return _gathered([measure(_with_halo(*pair)) for pair in pairs], chunk.shape, kind)


def _gathered(found: list[Any], shape: tuple[int, ...], kind: Any) -> Array:  # noqa: ANN401
    if kind is object:
        values = np.empty((len(found), 1, 1), object)
        values[:, 0, 0] = found
    else:
        values = np.array(found, kind).reshape(len(found), *shape[-2:])
    return values.reshape(*shape[:-2], *values.shape[-2:])


def _with_halo(frame: Array, around: Array) -> Tile:
    """Put the edges of the 8 chunks around a frame about it, where there are such chunks."""
    (nw, n, ne), (w, _, e), (sw, s, se) = around
    # A neighbour may be shorter than the halo; then it ends the image, and this is all there is.
    top = n.bottom.shape[0] if n else 0
    left = w.right.shape[1] if w else 0
    right = e.left.shape[1] if e else 0
    rows = [
        [nw and nw.bottom[:, -left:], n and n.bottom, ne and ne.bottom[:, :right]],
        [w and w.right, frame, e and e.left],
        [sw and sw.top[:, -left:], s and s.top, se and se.top[:, :right]],
    ]
    there = [[part for part in row if isinstance(part, np.ndarray)] for row in rows]
    return Tile(
        pixels=np.block([row for row in there if row]),
        rows=(top, top + frame.shape[0]),
        columns=(left, left + frame.shape[1]),
    )
