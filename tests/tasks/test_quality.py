import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.mscn import MscnParams, mscn
from core.piqe import PiqeParams, piqe
from tasks import quality
from tests.core.images import bundled, textured

MAPS = ("activity", "artifact", "noise", "variance")


@pytest.fixture(scope="module")
def image():
    data = np.random.default_rng(0).integers(0, 256, (3, 61, 83), dtype=np.uint8)
    data[1, 20:, 30:] = 90
    data[2] = np.linspace(0, 255, 83).astype(np.uint8)
    return xr.DataArray(data, dims=("frame", "y", "x"), coords={"frame": [4, 5, 9]})


def equals_core(found, maps, frames, params):
    for n, frame in enumerate(frames):
        expected = piqe(frame, params, statistics=True)
        assert found.piqe[n] == expected.score
        assert found.active_fraction[n] == expected.activity.mean()
        assert found.distorted_fraction[n] == expected.artifact.mean()
        assert found.noisy_fraction[n] == expected.noise.mean()
        for name in MAPS:
            np.testing.assert_array_equal(found[name][n], getattr(expected, name))
        np.testing.assert_array_equal(found.statistics[n], expected.statistics.values)
        np.testing.assert_array_equal(maps[n], mscn(frame, params.mscn))


def test_labelled_equals_core_frame_by_frame(image):
    found, maps = quality.piqe(image, statistics=True), quality.mscn(image)
    equals_core(found, maps, image.values, PiqeParams())
    np.testing.assert_array_equal(found.frame, [4, 5, 9])
    assert found.statistics.sel(statistic="mscn_variance").dims == ("frame",)
    assert (maps.dims, maps.dtype) == (("frame", "y", "x"), np.float64)
    assert "statistics" not in quality.piqe(image)


def test_what_was_asked_for_is_recorded(image):
    params = PiqeParams(surround="fixed", mscn=MscnParams(data_range=(16, 235)))
    recorded = json.loads(quality.piqe(image, params).attrs["params"])
    assert recorded["surround"] == "fixed"
    assert recorded["mscn"]["data_range"] == [16, 235]
    assert json.loads(quality.mscn(image).attrs["params"])["keep_depth"] is False


OTHERS = PiqeParams(
    surround="fixed", padding="symmetric", mscn=MscnParams(keep_depth=True, constant=2.0)
)
FAST = PiqeParams(mscn=MscnParams(precision="fast"))


@settings(max_examples=120, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 100), st.integers(1, 100)),
    st.tuples(st.integers(1, 3), st.integers(1, 100), st.integers(1, 100)),
    st.sampled_from([(), (3,)]),
    st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    st.sampled_from([PiqeParams(), OTHERS, FAST]),
    st.integers(0, 1000),
)
def test_any_chunks_give_the_same_bits(shape, sizes, colour, dtype, params, seed):
    assume(shape[1:] != (1, 1))
    dims = ("frame", "y", "x", "channel")[: 3 + len(colour)]
    data = np.stack([textured(shape[1:] + colour, dtype, seed + n) for n in range(shape[0])])
    image = xr.DataArray(data, dims=dims)
    lazy = image.chunk(dict(zip(dims, sizes, strict=False)))
    scores = quality.piqe(lazy, params, statistics=True)
    maps = quality.mscn(lazy, params.mscn)
    assert scores.chunks
    assert maps.chunks is not None
    whole = quality.piqe(image, params, statistics=True)
    xr.testing.assert_identical(scores.compute(scheduler="sync"), whole)
    expected = quality.mscn(image, params.mscn)
    assert expected.dtype == maps.dtype
    xr.testing.assert_identical(maps.compute(scheduler="sync"), expected)
    equals_core(whole, expected, data, params)


def test_chunks_of_colour_give_the_bits_of_the_whole():
    picture = np.stack([bundled("coffee")[:90, :130], bundled("chelsea")[:90, :130]])
    image = xr.DataArray(picture, dims=("frame", "y", "x", "band"), coords={"band": [1, 2, 3]})
    found = quality.piqe(image, statistics=True)
    maps = quality.mscn(image)
    equals_core(found, maps, picture, PiqeParams())
    lazy = image.chunk(frame=1, y=37, x=50, band=2)
    xr.testing.assert_identical(quality.piqe(lazy, statistics=True).compute(), found)
    xr.testing.assert_identical(quality.mscn(lazy).compute(), maps)
    assert "band" not in found.coords


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_other_classes_in_chunks(image, dtype):
    info = np.iinfo(dtype) if dtype.endswith("int16") else None
    values = (
        image / 255
        if info is None
        else image.astype(float) / 255 * (info.max - info.min) + info.min
    )
    other = values.astype(dtype)
    chunked = quality.piqe(other.chunk(y=16, x=32)).compute(scheduler="sync")
    xr.testing.assert_identical(chunked, quality.piqe(other))
    assert float(chunked.piqe[0]) == piqe(other[0].values).score


def test_wrong_dimensions_are_named(image):
    with pytest.raises(ValueError, match=r"dimensions \(x: 83, frame: 3, y: 61\) are neither"):
        quality.piqe(image.transpose("x", "frame", "y"))


def numbers(shape, dtype="uint8"):
    dims = ("frame", "y", "x", "channel")[-len(shape) :] if len(shape) > 2 else ("y", "x")
    return xr.DataArray(np.zeros(shape, dtype), dims=dims)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (xr.DataArray(np.zeros((3, 40, 50)), dims=("channel", "x", "y")), "neither"),
        (xr.DataArray(np.zeros((40, 50, 4)), dims=("y", "x", "channel")), r"channel: 4\)"),
        (xr.DataArray(np.zeros(40), dims="x"), "neither"),
        (numbers((0, 9)), "2 pixels at least"),
        (numbers((1, 1)), "2 pixels at least"),
        (numbers((9, 9), bool), "class bool is not allowed"),
        (numbers((9, 9), complex), "class complex128 is not allowed"),
        (numbers((9, 9), object), "class object is not allowed"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_no_image_is_refused_at_once(image, message, lazy):
    for measure in (quality.piqe, quality.mscn):
        with pytest.raises(ValueError, match=message):
            measure(image.chunk() if lazy else image)


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN, infinite"), (-0.5, "data_range")])
def test_values_that_are_none_are_refused_when_they_are_seen(value, message):
    image = numbers((40, 50), float).chunk(y=20)
    image[30, 30] = value
    for measure in (quality.piqe, quality.mscn):
        lazy = measure(image)
        with pytest.raises(ValueError, match=message):
            lazy.compute(scheduler="sync")


def test_chunks_of_unknown_size_are_refused_with_the_remedy():
    unknown = numbers((40, 50)).chunk(y=10).data
    unknown = unknown[da.from_array(np.arange(40) > 3, chunks=10)]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        quality.piqe(xr.DataArray(unknown, dims=("y", "x")))


def test_names_that_the_result_needs_are_refused():
    image = numbers((40, 50)).assign_coords(piqe=3)
    with pytest.raises(ValueError, match="rename them first"):
        quality.piqe(image)


def test_a_range_that_does_not_fit_is_refused_at_once():
    image = numbers((40, 50)).chunk()
    for measure, params in (
        (quality.piqe, PiqeParams(mscn=MscnParams(data_range=(0, 4095)))),
        (quality.mscn, MscnParams(data_range=(0, 4095))),
    ):
        with pytest.raises(ValueError, match="does not fit an image of class uint8"):
            measure(image, params)


def test_a_negative_channel_is_refused_in_chunks_too():
    image = numbers((1, 40, 50, 3), float).chunk(y=20)
    image[0, 30, 30, 1] = -0.25
    with pytest.raises(ValueError, match="data_range"):
        quality.piqe(image).compute(scheduler="sync")


def test_no_frames_are_no_error():
    found = quality.piqe(xr.DataArray(np.zeros((0, 20, 20)), dims=("frame", "y", "x")))
    assert found.piqe.shape == (0,)
    assert found.activity.shape == (0, 2, 2)


def test_one_image_without_leading_dimension(image):
    assert float(quality.piqe(image[0]).piqe) == piqe(image[0].values).score


def test_huge_graph_stays_lazy():
    zeros = da.zeros((1, 4096, 4096), dtype=np.uint8, chunks=(1, 1024, 1024))
    lazy = quality.piqe(xr.DataArray(zeros, dims=("frame", "y", "x")))
    assert lazy.piqe.chunks is not None
