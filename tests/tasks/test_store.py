import numpy as np
import pytest
import xarray as xr
import zarr

from tasks import chunks, store
from tasks.store import Stack


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store.zarr"


def images(height=40, width=50):
    return Stack.of("image", (height, width), "uint8", in_place=False)


def test_the_ladder_is_short_tight_and_made_of_blocks():
    rungs = {store.ladder(n) for n in range(1, 10_001)}
    assert len(rungs) < 40
    assert all(rung % store.BLOCK == 0 for rung in rungs)
    assert all(n <= store.ladder(n) <= max(1.25 * n, n + store.BLOCK) for n in range(1, 10_001))


@pytest.mark.parametrize(
    "stack",
    [
        images(),
        Stack.of("image", (5000, 70), "float32", in_place=False),
        Stack.of("image", (9, 9), "uint16", in_place=True),
        Stack.of("signal", (1000,), "float64", in_place=False),
    ],
)
def test_a_stack_is_read_back_from_its_name(stack):
    assert Stack.parse(stack.kind, stack.name) == stack


def test_what_is_written_is_read_and_opens_with_plain_xarray(root):
    stack = images()
    chunks.ensure(root, stack, store.IMAGES, stack.slots_per_chunk)
    picture = np.arange(2000, dtype=np.uint8).reshape(40, 50)
    for variable, value in (
        (store.IMAGE, picture), (store.HEIGHT, 40), (store.WIDTH, 50), (store.FRAME_ITEM, 7),
        (store.SMALL, np.zeros((40, 50, 3), np.uint8)),
    ):  # fmt: skip
        chunks.update(root, variable, stack, 0, {3: value})
    tree = xr.open_datatree(root, engine="zarr", consolidated=False)
    group = tree[f"images/{stack.name}"]
    np.testing.assert_array_equal(group["image"][3, :40, :50], picture)
    assert int(group["height"][3]) == 40
    labelled = store.open_variable(root, store.IMAGE, stack)
    assert labelled.dims == ("frame", "y", "x")
    assert labelled.attrs["units"] == "1"


def test_another_slot_of_a_chunk_is_kept(root):
    stack = images()
    chunks.ensure(root, stack, (store.HEIGHT,), stack.slots_per_chunk)
    chunks.update(root, store.HEIGHT, stack, 0, {0: 11})
    chunks.update(root, store.HEIGHT, stack, 0, {1: 22})
    assert chunks.read(root, store.HEIGHT, stack, slice(0, 2)).tolist() == [11, 22]


def test_a_chunk_that_was_never_written_is_an_error_not_a_fill_value(root):
    stack = images()
    chunks.ensure(root, stack, (store.PIQE,), 2 * stack.slots_per_chunk)
    chunks.update(root, store.PIQE, stack, 0, {0: 1.0})
    with pytest.raises(chunks.DamagedChunk, match="is missing"):
        chunks.read(root, store.PIQE, stack, slice(0, 2 * stack.slots_per_chunk))


def test_growing_keeps_what_is_there(root):
    stack = images()
    count = stack.slots_per_chunk
    chunks.ensure(root, stack, (store.PIQE,), count)
    chunks.update(root, store.PIQE, stack, 0, {0: 5.0})
    chunks.ensure(root, stack, (store.PIQE,), 3 * count)
    assert chunks.slots(root, store.PIQE, stack) == 3 * count
    assert chunks.read(root, store.PIQE, stack, slice(0, 1)) == 5.0


def test_every_variable_is_checksummed_and_named_once(root):
    stack = images()
    chunks.ensure(root, stack, (*store.IMAGES, *store.QUALITY, store.MSCN), stack.slots_per_chunk)
    tree = zarr.open_group(root, mode="r")
    for variable in (*store.IMAGES, *store.QUALITY, store.MSCN):
        array = tree[variable.path(stack)]
        assert array.metadata.dimension_names == variable.dims
        assert any(getattr(codec, "checksum", False) for codec in array.metadata.codecs)
        assert array.attrs["long_name"] == variable.long_name


def test_a_wrong_dtype_or_dimension_is_refused(root):
    stack = images()
    chunks.ensure(root, stack, (store.PIQE,), stack.slots_per_chunk)
    values = np.zeros(stack.slots_per_chunk, np.float32)
    with pytest.raises(ValueError, match="float32, expected float64"):
        chunks.write(root, store.PIQE, stack, slice(0, stack.slots_per_chunk), values)
    with pytest.raises(ValueError, match=r"expected \('frame', 'y', 'x'\)"):
        store.IMAGE.check(xr.DataArray(np.zeros((1, 1, 1)), dims=("y", "x", "frame")))
