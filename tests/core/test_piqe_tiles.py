"""A tiled image gives the bits of the whole one: variances, masks, score and MSCN map."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.levels import image_levels
from core.mscn import MscnParams, mscn
from core.piqe import Blocks, PiqeParams, block_statistics, piqe, pool
from core.piqe_blocks import join
from tests.core.images import textured

PLAIN = PiqeParams()
SYMMETRIC = PiqeParams(padding="symmetric", surround="fixed", mscn=MscnParams(keep_depth=True))
FAST = PiqeParams(mscn=MscnParams(precision="fast"))
HALO = PLAIN.halo(statistics=True)
MAPS = ("variance", "activity", "artifact", "noise")


def spans(size, cuts):
    edges = [0, *sorted({16 * cut for cut in cuts if 16 * cut < size} - {0}), size]
    return list(pairwise(edges))


def with_halo(span, size, halo):
    """Return the slice of the tile with its halo, and the tile's place within that slice."""
    start, stop = span
    first = max(start - halo, 0)
    return slice(first, min(stop + halo, size)), (start - first, stop - first)


def assemble(levels, row_cuts, column_cuts, params, halo):
    coefficients = np.empty(levels.shape, params.mscn.window(levels).half_taps.dtype)
    tiles = []
    for top, bottom in spans(levels.shape[0], row_cuts):
        tiles.append([])
        for left, right in spans(levels.shape[1], column_cuts):
            tall, rows = with_halo((top, bottom), levels.shape[0], halo)
            wide, columns = with_halo((left, right), levels.shape[1], halo)
            out = np.empty((bottom - top, right - left), coefficients.dtype)
            tile = levels[tall, wide].copy()
            blocks = block_statistics(
                tile, params, rows=rows, columns=slice(*columns), mscn_out=out, statistics=True
            )
            coefficients[top:bottom, left:right] = out
            tiles[-1].append(blocks)
    return join(tiles), coefficients


def assert_same_bits(image, row_cuts, column_cuts, params=PLAIN, halo=HALO):
    levels = params.mscn.levels(image)
    out = np.empty(levels.shape, params.mscn.window(levels).half_taps.dtype)
    whole = piqe(image, params, mscn_out=out, statistics=True)
    blocks, coefficients = assemble(levels, row_cuts, column_cuts, params, halo)
    for name in (*MAPS, "moments"):
        assert getattr(blocks, name).tobytes() == getattr(whole, name).tobytes(), name
    assert coefficients.tobytes() == out.tobytes()
    if params.padding == "replicate":
        assert out.tobytes() == mscn(image, params.mscn).tobytes()
    assert pool(blocks) == whole.score
    assert piqe(image, params).score == whole.score


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(st.integers(1, 100), st.integers(1, 100)),
    st.sampled_from([(), (3,)]),
    st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    st.lists(st.integers(1, 6), max_size=4),
    st.lists(st.integers(1, 6), max_size=4),
    st.sampled_from([PLAIN, SYMMETRIC, FAST]),
    st.integers(0, 16),
    st.integers(0, 1000),
)
def test_tiles_give_the_bits_of_the_whole(shape, colour, dtype, rows, columns, params, more, seed):
    assume(shape != (1, 1))
    halo = params.halo(statistics=True) + more
    assert_same_bits(textured(shape + colour, dtype, seed), rows, columns, params, halo)


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
    maps = {name: rng.random(20_000) < 0.7 for name in MAPS} | {"variance": variance}
    score = pool(Blocks(**maps))
    for _ in range(50):
        order = rng.permutation(variance.size)
        assert pool(Blocks(**{name: values[order] for name, values in maps.items()})) == score


def test_a_halo_of_2_is_refused_because_it_changes_the_blocks():
    image = textured((96, 96), "uint8", 3)
    levels = image_levels(image)
    with pytest.raises(ValueError, match="needs 3 pixels before it"):
        block_statistics(levels[46:], rows=(2, 50))
    with pytest.raises(ValueError, match="needs 4 pixels before it"):
        block_statistics(levels[45:], rows=(3, 51), statistics=True)
    with pytest.raises(ValueError, match="needs 16 pixels before it"):
        block_statistics(levels[33:].astype(float), SYMMETRIC, rows=(15, 63))
    short = levels[45:].copy()
    short[0] = short[1]
    whole, tile = piqe(image), block_statistics(short, rows=(3, 51))
    assert np.array_equal(tile.variance[1:], whole.variance[4:])
    assert not np.array_equal(tile.variance[0], whole.variance[3])


def test_a_mean_of_tile_scores_is_not_the_score():
    image = textured((96, 96), "uint8", 3)
    mean = (piqe(image[:48]).score + piqe(image[48:]).score) / 2
    assert abs(mean - piqe(image).score) > 0.01
