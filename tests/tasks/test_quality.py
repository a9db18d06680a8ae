import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.mscn import mscn
from core.piqe import piqe
from tasks import quality

MAPS = ("activity", "artifact", "noise", "variance")


@pytest.fixture(scope="module")
def image():
    data = np.random.default_rng(0).integers(0, 256, (3, 61, 83), dtype=np.uint8)
    data[1, 20:, 30:] = 90
    data[2] = np.linspace(0, 255, 83).astype(np.uint8)
    return xr.DataArray(data, dims=("frame", "y", "x"), coords={"frame": [4, 5, 9]})


def test_labelled_equals_core_frame_by_frame(image):
    found = quality.piqe(image)
    maps = quality.mscn(image)
    for n in range(3):
        expected = piqe(image[n].values)
        assert found.piqe[n] == expected.score
        for name in MAPS:
            np.testing.assert_array_equal(found[name][n], getattr(expected, name))
        np.testing.assert_array_equal(maps[n], mscn(image[n].values))
    np.testing.assert_array_equal(found.frame, [4, 5, 9])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 3), st.integers(1, 61), st.integers(1, 83))
def test_any_chunks_give_the_same_bits(image, frames, rows, columns):
    lazy = image.chunk(frame=frames, y=rows, x=columns)
    scores, maps = quality.piqe(lazy), quality.mscn(lazy)
    assert scores.chunks
    assert maps.chunks is not None
    xr.testing.assert_identical(scores.compute(scheduler="sync"), quality.piqe(image))
    xr.testing.assert_identical(maps.compute(scheduler="sync"), quality.mscn(image))


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
    with pytest.raises(ValueError, match=r"must be y and x, got \('x', 'frame', 'y'\)"):
        quality.piqe(image.transpose("x", "frame", "y"))


def test_one_image_without_leading_dimension(image):
    assert float(quality.piqe(image[0]).piqe) == piqe(image[0].values).score


def test_huge_graph_stays_lazy():
    zeros = da.zeros((1, 4096, 4096), dtype=np.uint8, chunks=(1, 1024, 1024))
    lazy = quality.piqe(xr.DataArray(zeros, dims=("frame", "y", "x")))
    assert lazy.piqe.chunks is not None
