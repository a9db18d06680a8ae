"""Cut and flipped files: what comes out is a refusal or a whole image, and nothing else.

PNG finds every flip by its CRCs, deflate in TIFF by its checksum. JPEG, WebP, GIF, BMP and the
other compressions of TIFF carry none, so flips inside their pixels may come out as other pixels.
"""

import random

import numpy as np
import pytest

from tasks.readers.base import Refused
from tests.tasks.readers.image_files import every_format, loaded, reader_of

CHECKED = ("rgb.png", "palette.png", "gray16.png", "deflate-tile.tif", "deflate-rowsperstrip.tif")
NAMES = (
    *CHECKED,
    *("baseline.jpg", "progressive.jpg", "cmyk.jpg", "lossy.webp", "lossless.webp"),
    *("rgb.bmp", "palette.bmp", "palette.gif", "fax.tif", "ome.tif", "big.tif"),
    *(
        f"{compression}-{layout}.tif"
        for compression in ("none", "lzw", "packbits", "zstd", "jpeg")
        for layout in ("tile", "rowsperstrip")
    ),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return every_format(tmp_path_factory.mktemp("formats"))


def outcome(path, data):
    """The images that come out, else the code of the refusal, or "unknown" to every reader."""
    path.write_bytes(data)
    if reader_of(path) is None:
        return "unknown"
    try:
        return loaded(path)
    except Refused as refusal:
        return refusal.code if refusal.reason else "no reason"


def same(images, others):
    return images.keys() == others.keys() and all(
        np.array_equal(image, others[name]) for name, image in images.items()
    )


def flipped(data, flips, chance):
    damaged = bytearray(data)
    for _ in range(flips):
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def test_every_format_is_here(files):
    assert set(files) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_cut_short(tmp_path, files, name):
    data, path = files[name], tmp_path / name
    cuts = [len(data) * percent // 100 for percent in (1, 10, 50, 90, 99)] + [
        len(data) - 2,
        len(data) - 1,
    ]
    for cut in cuts:
        result = outcome(path, data[:cut])
        assert result in ("corrupt", "unknown"), cut


@pytest.mark.parametrize("name", NAMES)
def test_damage_gives_a_refusal_or_a_whole_image(tmp_path, files, name):
    data, path = files[name], tmp_path / name
    chance = random.Random(name)
    for turn in range(200):
        if turn % 3 == 0:
            damaged = data[: chance.randrange(len(data))]
        elif turn % 3 == 1:
            damaged = flipped(data, 64, chance)
        else:
            damaged = flipped(data[:300], 1 + turn % 4, chance) + data[300:]
        result = outcome(path, damaged)
        assert isinstance(result, dict) or result in (
            "corrupt",
            "unsupported",
            "too-large",
            "unknown",
        )


@pytest.mark.parametrize("name", CHECKED)
def test_flips_are_found_where_the_format_can_tell(tmp_path, files, name):
    data, path = files[name], tmp_path / name
    whole = outcome(path, data)
    chance = random.Random(name)
    for _ in range(100):
        result = outcome(path, data[:300] + flipped(data[300:], 1, chance))
        assert isinstance(result, str) or (name.endswith(".tif") and same(result, whole))


@pytest.mark.parametrize(
    "name", ["baseline.jpg", "progressive.jpg", "palette.gif", "zstd-tile.tif"]
)
def test_many_flips_are_found_by_most_decoders(tmp_path, files, name):
    data, path = files[name], tmp_path / name
    chance = random.Random(name)
    found = [outcome(path, flipped(data, 64, chance)) for _ in range(100)]
    assert sum(isinstance(result, str) for result in found) >= 85
