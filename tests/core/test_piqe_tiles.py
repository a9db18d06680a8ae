"""A tiled image gives the bits of the whole one: variances, masks, score and MSCN map."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.luma import image_levels
from core.mscn import mscn
from core.piqe import PiqeParams, block_statistics, piqe, pool
from tests.core.images import textured

HALO = PiqeParams().mscn.halo
MASKS = ("activity", "artifact", "noise")


def spans(size, cuts):
    edges = [0, *sorted({16 * cut for cut in cuts if 16 * cut < size} - {0}), size]
    return list(pairwise(edges))


def with_halo(span, size, halo):
    """Return the slice of the tile with its halo, and the tile's place within that slice."""
    start, stop = span
    first = max(start - halo, 0)
    return slice(first, min(stop + halo, size)), (start - first, stop - first)


def assemble(levels, row_cuts, column_cuts, halo=HALO):
    height, width = levels.shape
    grid = (-(-height // 16), -(-width // 16))
    maps = {"variance": np.full(grid, np.nan)} | {mask: np.zeros(grid, bool) for mask in MASKS}
    coefficients = np.full(levels.shape, np.nan)
    for top, bottom in spans(height, row_cuts):
        for left, right in spans(width, column_cuts):
            tall, rows = with_halo((top, bottom), height, halo)
            wide, columns = with_halo((left, right), width, halo)
            out = np.empty((bottom - top, right - left))
            tile = levels[tall, wide].copy()
            blocks = block_statistics(tile, rows=rows, columns=slice(*columns), mscn_out=out)
            coefficients[top:bottom, left:right] = out
            for name, values in vars(blocks).items():
                i, j = top // 16, left // 16
                maps[name][i : i + values.shape[0], j : j + values.shape[1]] = values
    return maps, coefficients


def assert_same_bits(image, row_cuts, column_cuts, halo=HALO):
    whole = piqe(image)
    maps, coefficients = assemble(image_levels(image), row_cuts, column_cuts, halo)
    assert maps["variance"].tobytes() == whole.variance.tobytes()
    for mask in MASKS:
        assert np.array_equal(maps[mask], getattr(whole, mask))
    assert coefficients.tobytes() == mscn(image).tobytes()
    assert pool(**maps) == whole.score


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(st.integers(1, 100), st.integers(1, 100)),
    st.sampled_from([(), (3,)]),
    st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    st.lists(st.integers(1, 6), max_size=4),
    st.lists(st.integers(1, 6), max_size=4),
    st.integers(3, 20),
    st.integers(0, 1000),
)
def test_tiles_give_the_bits_of_the_whole(shape, colour, dtype, rows, columns, halo, seed):
    assert_same_bits(textured(shape + colour, dtype, seed), rows, columns, halo)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_tiles_that_cut_across_the_strips_of_the_kernel(dtype):
    assert_same_bits(textured((75, 1300), dtype, 5), [2], [1, 7, 33, 40, 65])


def test_regions_of_the_whole_array_need_no_copies():
    levels = image_levels(textured((100, 130), "uint8", 8))
    whole = block_statistics(levels)
    part = block_statistics(levels, rows=slice(32, None), columns=(16, 64))
    assert np.array_equal(part.variance, whole.variance[2:, 1:4])
    assert np.array_equal(part.noise, whole.noise[2:, 1:4])


def test_score_is_the_same_bits_in_any_order_of_the_blocks():
    rng = np.random.default_rng(0)
    variance = rng.random(20_000)
    masks = {mask: rng.random(20_000) < 0.7 for mask in MASKS}
    score = pool(variance, **masks)
    for _ in range(50):
        order = rng.permutation(variance.size)
        assert pool(variance[order], **{m: mask[order] for m, mask in masks.items()}) == score


def test_a_halo_of_2_is_refused_because_it_changes_the_blocks():
    image = textured((96, 96), "uint8", 3)
    levels = image_levels(image)
    with pytest.raises(ValueError, match="needs 3 pixels before it"):
        block_statistics(levels[46:], rows=(2, 50))
    short = levels[45:].copy()
    short[0] = short[1]
    whole, tile = piqe(image), block_statistics(short, rows=(3, 51))
    assert np.array_equal(tile.variance[1:], whole.variance[4:])
    assert not np.array_equal(tile.variance[0], whole.variance[3])


def test_a_mean_of_tile_scores_is_not_the_score():
    image = textured((96, 96), "uint8", 3)
    mean = (piqe(image[:48]).score + piqe(image[48:]).score) / 2
    assert abs(mean - piqe(image).score) > 0.01
