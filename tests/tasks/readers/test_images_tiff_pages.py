import struct

import numpy as np
import pytest
import tifffile

from tasks.readers.base import Limits, Refused
from tests.tasks.readers.image_files import (
    loaded,
    only,
    parts_of,
    photo,
    reader_of,
    refusal_of,
    route_of,
)

RNG = np.random.default_rng(5)
GRAY = RNG.integers(0, 65536, (600, 70), dtype=np.uint16)
RGB = photo(300, 70)
LAYOUTS = [{}, {"rowsperstrip": 7}, {"tile": (32, 48)}]


def written(folder, image, **options):
    path = folder / "a.tif"
    tifffile.imwrite(path, image, **options)
    return path


def patched(path, tag, value, page=0):
    """The file with another value in one of its tags."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[page].tags[tag].overwrite(value)
    return path


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_samples_that_are_no_colours_are_images_of_their_own(tmp_path, planar):
    channels = np.stack([GRAY + n for n in range(5)])
    stored = channels if planar == "separate" else np.moveaxis(channels, 0, -1)
    path = written(tmp_path, stored, photometric="minisblack", planarconfig=planar)
    images = loaded(path)
    assert list(images) == [f"channel {n + 1}" for n in range(5)]
    assert np.array_equal(np.stack(list(images.values())), channels)
    assert route_of(path, 3) == "tifffile, uncompressed, channel 4 of 5"


def test_pages(tmp_path):
    pages = np.stack([GRAY + n for n in range(4)])
    path = written(tmp_path, pages, photometric="minisblack", compression="deflate")
    images = loaded(path)
    assert list(images) == ["page 1", "page 2", "page 3", "page 4"]
    assert np.array_equal(np.stack(list(images.values())), pages)
    assert route_of(path, 1) == "tifffile, page 2 of 4, deflate, gray"


def test_pages_of_several_kinds_and_copies_that_are_none(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GRAY)
        writer.write(RGB, photometric="rgb", subfiletype=0)
        writer.write(GRAY[::4, ::4], subfiletype=1)
        writer.write(GRAY > 99, subfiletype=4)
        writer.write(GRAY.astype(np.float32))
    assert {part.name: part.dtype for part in parts_of(path)} == {
        "page 1": "uint16",
        "page 2": "uint8",
        "page 5": "float32",
    }
    assert np.array_equal(loaded(path)["page 2"], RGB)


def test_a_pyramid_is_its_largest_level(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GRAY, subifds=1)
        writer.write(GRAY[::2, ::2], subfiletype=1)
    assert list(loaded(path)) == [""]


def test_only_previews(tmp_path):
    assert refusal_of(written(tmp_path, GRAY, subfiletype=1))[0] == "unsupported"


def test_ome_planes(tmp_path):
    planes = np.stack([GRAY + n for n in range(6)]).reshape(2, 3, *GRAY.shape)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, planes, metadata={"axes": "TCYX"}, tile=(64, 32))
    images = loaded(path)
    assert list(images)[:2] == ["page 1, t 0, c 0", "page 2, t 0, c 1"]
    assert np.array_equal(np.stack(list(images.values())), planes.reshape(6, *GRAY.shape))


def test_an_image_of_another_file_is_not_followed(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.stack([GRAY, GRAY]), metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.pages[0].description
    data = path.read_bytes()
    elsewhere = xml.replace("<TiffData", '<TiffData FirstZ="9"', 1).encode()[: len(xml.encode())]
    path.write_bytes(data.replace(xml.encode(), elsewhere))
    assert len(loaded(path)) == 2


@pytest.mark.parametrize("imagej", [True, False])
def test_images_behind_a_single_page(tmp_path, imagej):
    frames = np.stack([GRAY + n for n in range(5)])
    path = written(tmp_path, frames, photometric="minisblack", truncate=True, imagej=imagej)
    images = loaded(path)
    assert list(images) == [f"page {n + 1}" for n in range(5)]
    assert np.array_equal(np.stack(list(images.values())), frames)
    path.write_bytes(path.read_bytes()[:-3])
    assert refusal_of(path)[0] == "corrupt"


def test_a_page_that_went_away(tmp_path):
    path = written(tmp_path, np.stack([GRAY] * 3), photometric="minisblack")
    reader = reader_of(path)
    last = reader.parts(path, Limits())[-1]
    written(tmp_path, np.stack([GRAY] * 2), photometric="minisblack")
    with pytest.raises(Refused) as refusal:
        list(reader.read(path, last).bands)
    assert refusal.value.code == "changed"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        reader.read(path, last)


def test_lost_pages_are_no_silent_loss(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(3):
            writer.write(GRAY[:20], metadata=None)
    with tifffile.TiffFile(path) as tif:
        second, third = tif.pages[1].offset, tif.pages[2].offset
    data = path.read_bytes()
    for elsewhere in (2**31, second):
        link = data.rindex(struct.pack("<I", third))
        path.write_bytes(data[:link] + struct.pack("<I", elsewhere) + data[link + 4 :])
        assert refusal_of(path)[0] == "corrupt"


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bands_are_whole_segments(tmp_path, compression, layout):
    path = written(tmp_path, GRAY, compression=compression, **layout)
    reader = reader_of(path)
    (part,) = reader.parts(path, Limits())
    heights = [len(band) for band in reader.read(path, part).bands]
    assert sum(heights) == 600
    if layout:
        step = {7: 259, 32: 256}[layout.get("rowsperstrip", 32)]
        step = 256 if compression is None and "tile" not in layout else step
        assert heights == [step, step, 600 - 2 * step]


def test_limits_hold_for_bands(tmp_path):
    noise = RNG.integers(0, 255, (1000, 100), dtype=np.uint8)
    plain = written(tmp_path, noise)
    limits = Limits(max_pixels=30_000)
    assert np.array_equal(loaded(plain, limits)[""], noise)
    tiled = written(tmp_path, noise, tile=(64, 64), compression="lzw")
    assert refusal_of(tiled, limits)[0] == "too-large"
    assert loaded(tiled, Limits(max_pixels=33_000))[""].shape == (1000, 100)
    whole = written(tmp_path, noise, compression="deflate", rowsperstrip=1000)
    code, reason = refusal_of(whole, limits)
    assert code == "too-large"
    assert "the image has 0.1 megapixels, the limit is 0.03" in reason


def test_a_bomb_is_known_by_its_size(tmp_path):
    zeros = np.zeros((3000, 3000), dtype=np.uint8)
    path = written(tmp_path, zeros, compression="deflate", tile=(256, 256))
    code, reason = refusal_of(path, Limits(max_pixels=4_000_000))
    assert code == "too-large"
    assert "9 megapixels" in reason
    assert "--max-pixels" in reason
    assert not only(path).any()


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 100}, {"tile": (128, 80)}])
def test_sparse_segments_hold_nothing(tmp_path, compression, layout):
    path = written(tmp_path, GRAY, compression=compression, **layout)
    tag = "TileByteCounts" if "tile" in layout else "StripByteCounts"
    with tifffile.TiffFile(path) as tif:
        counts = tif.pages[0].tags[tag].value
    image = only(patched(path, tag, (0, *counts[1:])))
    rows = layout.get("rowsperstrip", 128)
    assert not image[:rows].any()
    assert np.array_equal(image[rows:], GRAY[rows:])


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits", "zstd"])
def test_a_segment_that_is_too_short(tmp_path, compression):
    path = written(tmp_path, GRAY, compression=compression, rowsperstrip=100)
    with tifffile.TiffFile(path) as tif:
        counts = tif.pages[0].databytecounts
    shortened = (*counts[:2], counts[2] // 2, *counts[3:])
    assert refusal_of(patched(path, "StripByteCounts", shortened))[0] == "corrupt"


def test_segments_that_are_not_listed(tmp_path):
    path = written(tmp_path, GRAY, tile=(128, 80))
    assert refusal_of(patched(path, "ImageLength", 6000))[0] == "corrupt"


def test_unreadable_tags_get_no_defaults(tmp_path):
    path = written(tmp_path, GRAY, metadata=None)
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags["PhotometricInterpretation"].offset
    data = bytearray(path.read_bytes())
    data[place + 2] = 99
    path.write_bytes(data)
    code, reason = refusal_of(path)
    assert code == "corrupt"
    assert "262" in reason


@pytest.mark.parametrize(
    ("tag", "value"), [("Compression", 34676), ("PhotometricInterpretation", 8)]
)
def test_kinds_that_are_not_read(tmp_path, tag, value):
    assert refusal_of(patched(written(tmp_path, GRAY), tag, value))[0] == "unsupported"


def test_a_camera_raw_is_not_its_preview(tmp_path):
    path = written(tmp_path, RGB, photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    code, reason = refusal_of(path)
    assert code == "unsupported"
    assert "raw" in reason
