import weakref

import dask.array as da
import numpy as np
import pytest
import zarr

from tasks.tiles import map_tiles


def stored(values, path):
    zarr.create_array(str(path), shape=values.shape, chunks=(1, 16, 16), dtype="f8")[:] = values
    return da.from_zarr(str(path))


UPSTREAM = {
    "stored": lambda x, path: stored(x, path),
    "in memory": lambda x, path: da.from_array(x, chunks=(1, 16, 16)),
    "rechunked": lambda x, path: stored(x, path).rechunk((2, 21, 30)),
    "sliced": lambda x, path: stored(np.pad(x, 1), path)[1:-1, 1:-1, 1:-1],
    "computed": lambda x, path: (2 * stored(x, path)).rechunk((1, 40, 17)) / 2,
    "stacked": lambda x, path: da.stack([stored(x, path / "a")[0], da.asarray(x[1])]),
    "overlapping": lambda x, path: da.map_overlap(
        lambda b: b, stored(x, path), depth=(0, 2, 2), boundary="none"
    ),
    "of one chunk": lambda x, path: da.from_array(x, chunks=-1),
}


def neighbours(tile):
    """Return for each pixel of the tile the sum over what lies up to 3 pixels around it."""
    inside = np.pad(tile.pixels, 3)
    windows = np.lib.stride_tricks.sliding_window_view(inside, (7, 7)).sum((2, 3))
    return windows[slice(*tile.rows), slice(*tile.columns)]


@pytest.mark.parametrize("upstream", UPSTREAM)
def test_every_tile_has_its_halo_whatever_the_graph(upstream, tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (2, 61, 83)).astype(float)
    image = UPSTREAM[upstream](values, tmp_path / "x.zarr")
    found = map_tiles(neighbours, image, 3, chunks=image.chunks[-2:], dtype=np.float64)
    padded = np.pad(values, ((0, 0), (3, 3), (3, 3)))
    expected = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2)).sum((3, 4))
    np.testing.assert_array_equal(found.compute(scheduler="sync"), expected)


@pytest.mark.parametrize("shape", [(1, 1, 61), (1, 2, 51), (1, 61, 1), (1, 17, 18), (1, 35, 33)])
@pytest.mark.parametrize("halo", [1, 4, 16])
def test_thin_images_and_short_last_chunks_have_their_halos(shape, halo):
    values = np.random.default_rng(1).integers(0, 99, shape).astype(float)
    image = da.from_array(values, chunks=(1, 16, 16))
    found = map_tiles(
        lambda tile: tile.pixels.sum(), image, halo, chunks=_ones(image), dtype=object
    )
    expected = [
        [
            values[0, max(0, y - halo) : y + 16 + halo, max(0, x - halo) : x + 16 + halo].sum()
            for x in range(0, shape[2], 16)
        ]
        for y in range(0, shape[1], 16)
    ]
    assert found.compute(scheduler="sync")[0].tolist() == expected


def _ones(image):
    return tuple((1,) * count for count in image.numblocks[-2:])


def test_no_chunk_waits_for_its_neighbours():
    alive: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()
    most = 0

    def load(block_id):
        nonlocal most
        chunk = np.ones((16, 16))
        alive[id(chunk)] = chunk
        most = max(most, len(alive))
        return chunk

    image = da.map_blocks(load, chunks=((16,) * 20, (16,) * 20), dtype=float, meta=np.empty((0, 0)))
    found = map_tiles(
        lambda tile: tile.pixels.sum(), image, 3, chunks=((1,) * 20,) * 2, dtype=object
    )
    assert found.compute(scheduler="sync").sum() > 20 * 20 * 256
    assert 1 <= most < 10  # of 400
