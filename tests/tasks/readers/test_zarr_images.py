import numpy as np
import pytest
import zarr

from tasks.readers.base import Limits, Refused, Signal
from tests.tasks.readers.image_files import (
    loaded,
    only,
    parts_of,
    photo,
    reader_of,
    refusal_of,
    route_of,
)

GRAY = np.random.default_rng(2).integers(0, 65536, (600, 90), dtype=np.uint16)
RGB = photo(300, 70)


@pytest.fixture(params=[2, 3])
def version(request):
    return request.param


def written(path, array, version=3, chunks=None, **options):
    store = zarr.create_array(
        store=str(path),
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks or tuple(min(64, side) for side in array.shape),
        zarr_format=version,
        **options,
    )
    store[...] = array
    return path


def group(path, version):
    return zarr.open_group(str(path), mode="w", zarr_format=version)


def filled(parent, name, array):
    chunks = (1,) * (array.ndim - 2) + (64, 64)
    parent.create_array(name, shape=array.shape, dtype=array.dtype, chunks=chunks)[...] = array


@pytest.mark.parametrize("stored", ["uint8", "uint16", ">u2", "int16", "float32", "float64"])
def test_every_pixel_is_kept(tmp_path, version, stored):
    image = (GRAY // 300).astype(stored)
    path = written(tmp_path / "a.zarr", image, version)
    assert np.array_equal(only(path), image)
    assert [part.in_place for part in parts_of(path)] == [True]
    assert route_of(path) == f"zarr, version {version}, gray"


def test_other_classes(tmp_path, version):
    half = (GRAY // 2).astype(np.float16)
    assert np.array_equal(only(written(tmp_path / "half", half, version)), half)
    bits = GRAY > 30000
    assert np.array_equal(only(written(tmp_path / "bits", bits, version)), bits * np.uint8(255))
    code, reason = refusal_of(written(tmp_path / "wide", GRAY.astype(np.int32), version))
    assert code == "unsupported"
    assert "int32" in reason


def test_colours(tmp_path, version):
    assert np.array_equal(only(written(tmp_path / "rgb", RGB, version)), RGB)
    clear = np.concatenate([RGB, np.zeros_like(RGB[..., :1])], axis=-1)
    path = written(tmp_path / "rgba", clear, version)
    assert (only(path) == 255).all()
    assert route_of(path) == f"zarr, version {version}, RGB; alpha composited over white"


def test_leading_axes_count_images(tmp_path, version):
    frames = np.stack([GRAY + n for n in range(6)])
    images = loaded(written(tmp_path / "three", frames, version, chunks=(2, 100, 90)))
    assert list(images) == [f"frame {n}" for n in range(6)]
    assert np.array_equal(np.stack(list(images.values())), frames)
    images = loaded(written(tmp_path / "four", frames.reshape(2, 3, 600, 90), version))
    assert list(images)[:4] == ["frame 0 0", "frame 0 1", "frame 0 2", "frame 1 0"]
    assert np.array_equal(images["frame 1 0"], frames[3])
    films = loaded(written(tmp_path / "colour", np.stack([RGB, RGB // 2]), version))
    assert np.array_equal(films["frame 1"], RGB // 2)


def test_one_axis_is_a_signal(tmp_path, version):
    path = written(tmp_path / "a", np.arange(500, dtype=np.int32), version)
    reader, (part,) = reader_of(path), parts_of(path)
    assert (part.kind, part.shape, part.dtype, part.in_place) == (
        "signal",
        (500,),
        "float64",
        False,
    )
    signal = reader.read(path, part)
    assert isinstance(signal, Signal)
    assert np.array_equal(signal.values, np.arange(500.0))
    with pytest.raises(Refused, match="--max-samples"):
        parts_of(path, Limits(max_samples=100))


@pytest.mark.parametrize("release", ["0.2", "0.4", "0.5"])
def test_ome_zarr_is_its_planes_in_full_size(tmp_path, release):
    version = 3 if release == "0.5" else 2
    planes = np.stack([GRAY + n for n in range(12)]).reshape(2, 3, 2, 600, 90)
    path = tmp_path / "a.ome.zarr"
    root = group(path, version)
    filled(root, "full", planes)
    filled(root, "half", planes[..., ::2, ::2])
    filled(root.create_group("labels"), "cells", planes)
    scales = {"datasets": [{"path": "full"}, {"path": "half"}]}
    if release != "0.2":
        scales["axes"] = [{"name": name} for name in "tczyx"]
    root.attrs.update(
        {"ome": {"multiscales": [scales]}} if version == 3 else {"multiscales": [scales]}
    )
    images = loaded(path)
    assert list(images)[:3] == ["t 0, c 0, z 0", "t 0, c 0, z 1", "t 0, c 1, z 0"]
    assert list(images)[-1] == "t 1, c 2, z 1"
    assert np.array_equal(np.stack(list(images.values())), planes.reshape(12, 600, 90))


def test_ome_axes_out_of_order(tmp_path, version):
    root = group(tmp_path / "a", version)
    filled(root, "0", GRAY)
    root.attrs["multiscales"] = [{"axes": ["x", "y"], "datasets": [{"path": "0"}]}]
    assert refusal_of(tmp_path / "a")[0] == "unsupported"
    root.attrs["multiscales"] = [{"axes": ["y", "x"], "datasets": [{"path": "../../b"}]}]
    assert refusal_of(tmp_path / "a")[0] == "corrupt"


def test_a_plate_is_its_images_in_natural_order(tmp_path, version):
    plate = group(tmp_path / "a", version)
    for n, well in enumerate(["A/10/0", "A/2/0"]):
        field = plate.create_group(well)
        filled(field, "0", np.stack([GRAY + n] * 2))
        axes = [{"name": name} for name in "cyx"]
        field.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    images = loaded(tmp_path / "a")
    assert list(images)[::2] == ["image A/2/0, c 0", "image A/10/0, c 0"]
    assert np.array_equal(images["image A/10/0, c 1"], GRAY)


def test_a_group_of_plain_arrays(tmp_path, version):
    root = group(tmp_path / "a", version)
    filled(root, "raw/film", np.stack([GRAY, GRAY + 1]))
    filled(root, "index", np.zeros((5, 5), dtype=np.int64))
    root.create_array("x", shape=(5,), dtype="i8", chunks=(5,))[...] = np.arange(5)
    names = [part.name for part in parts_of(tmp_path / "a")]
    assert names == ["array raw/film, frame 0", "array raw/film, frame 1", "array x"]
    reader = reader_of(tmp_path / "a")
    _, second, signal = reader.parts(tmp_path / "a", Limits())
    assert np.array_equal(np.concatenate(list(reader.read(tmp_path / "a", second).bands)), GRAY + 1)
    assert reader.read(tmp_path / "a", signal).values.tolist() == [0, 1, 2, 3, 4]


def test_nothing_in_it(tmp_path, version):
    group(tmp_path / "a", version)
    assert refusal_of(tmp_path / "a")[0] == "empty"
    written(tmp_path / "b", np.zeros((0, 5), dtype=np.uint8), version, chunks=(1, 5))
    assert refusal_of(tmp_path / "b")[0] == "empty"


def test_other_folders_are_nobodys(tmp_path):
    assert reader_of(tmp_path) is None
    (tmp_path / "zarr.json").mkdir()
    assert reader_of(tmp_path) is None


@pytest.mark.parametrize("options", [{}, {"shards": (256, 128)}])
def test_bands_are_whole_chunks(tmp_path, options):
    path = written(tmp_path / "a", GRAY, chunks=(128, 64), **options)
    reader, (part,) = reader_of(path), parts_of(path)
    bands = list(reader.read(path, part).bands)
    assert [len(band) for band in bands] == [256, 256, 88]
    assert np.array_equal(np.concatenate(bands), GRAY)


def test_a_chunk_that_is_not_there_holds_the_fill_value(tmp_path, version):
    path = written(tmp_path / "a", GRAY, version, fill_value=7)
    first = path / "c" / "0" / "0" if version == 3 else path / "0.0"
    first.unlink()
    image = only(path)
    assert (image[:64, :64] == 7).all()
    assert np.array_equal(image[64:], GRAY[64:])


def test_limits_hold_for_bands_and_chunks(tmp_path, version):
    path = written(tmp_path / "a", GRAY, version)
    assert np.array_equal(loaded(path, Limits(max_pixels=25_000))[""], GRAY)
    code, reason = refusal_of(path, Limits(max_pixels=20_000))
    assert code == "too-large"
    assert "one band of the image has 0.02304 megapixels" in reason
    assert "one chunk" in refusal_of(path, Limits(max_pixels=4000))[1]


def test_a_bomb_is_known_by_its_size(tmp_path, version):
    zeros = np.zeros((3000, 3000), dtype=np.uint8)
    path = written(tmp_path / "a", zeros, version, chunks=(256, 256))
    code, reason = refusal_of(path, Limits(max_pixels=4_000_000))
    assert code == "too-large"
    assert "9 megapixels" in reason
    noise = np.random.default_rng(0).integers(0, 255, zeros.shape, dtype=np.uint8)
    path = written(tmp_path / "b", noise, version, chunks=(256, 256))
    assert parts_of(path, Limits(max_pixels=4_000_000))[0].shape == (3000, 3000)
