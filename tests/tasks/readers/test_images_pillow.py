import struct

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.ImageOps
import pytest

from tasks.readers.base import Refused
from tests.tasks.readers.image_files import (
    exif,
    only,
    photo,
    route_of,
    saved,
)

RGB = PIL.Image.fromarray(photo())


def as_pillow_sees(path, mode):
    with PIL.Image.open(path) as image:
        return np.asarray(PIL.ImageOps.exif_transpose(image).convert(mode))


@pytest.mark.parametrize(
    ("mode", "how"), [("RGB", "RGB"), ("L", "gray"), ("1", "gray"), ("P", "palette to RGB")]
)
def test_bitmaps_keep_every_pixel(tmp_path, mode, how):
    image = RGB.quantize(32) if mode == "P" else RGB.convert(mode)
    path = saved(tmp_path / "a.bmp", image)
    assert np.array_equal(only(path), np.asarray(image.convert("L" if how == "gray" else "RGB")))
    assert route_of(path) == f"Pillow, {how}"


def test_lossless_webp_keeps_every_pixel(tmp_path):
    path = saved(tmp_path / "a.webp", RGB, lossless=True)
    assert np.array_equal(only(path), photo())
    assert route_of(path) == "Pillow, RGB"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(tmp_path, options, mode):
    path = saved(tmp_path / "a.jpg", RGB.convert(mode), quality=92, **options)
    assert np.array_equal(only(path), as_pillow_sees(path, mode))
    assert abs(only(path).astype(int) - np.asarray(RGB.convert(mode))).mean() < 6


def test_cmyk_jpeg_comes_out_in_its_own_colours(tmp_path):
    flat = PIL.Image.new("RGB", (32, 32), (200, 90, 30))
    path = saved(tmp_path / "a.jpg", flat.convert("CMYK"), quality=95)
    assert np.abs(only(path).astype(int) - (200, 90, 30)).max() <= 4
    assert route_of(path) == "Pillow, CMYK to RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.png"])
def test_exif_orientation_is_applied(tmp_path, name, orientation):
    path = saved(tmp_path / name, RGB, exif=exif(orientation))
    assert np.array_equal(only(path), as_pillow_sees(path, "RGB"))
    remark = f"EXIF orientation {orientation} applied"
    assert (remark in route_of(path)) == (orientation != 1)


def test_damaged_exif_leaves_the_image_as_it_lies(tmp_path):
    path = saved(tmp_path / "a.jpg", RGB, exif=b"Exif\0\0MM\0*" + b"\xff" * 30)
    assert only(path).shape == (40, 52, 3)


def test_first_frames(tmp_path):
    frames = [RGB.quantize(8), RGB.rotate(180).quantize(8), RGB.quantize(4)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert np.array_equal(only(path), np.asarray(frames[0].convert("RGB")))
    assert route_of(path) == "Pillow, palette to RGB; first of 3 frames"
    path = saved(
        tmp_path / "a.webp",
        RGB,
        save_all=True,
        append_images=[RGB.rotate(turn) for turn in (90, 180)],
    )
    assert route_of(path) == "Pillow, RGB; first of 3 frames"


def test_what_cameras_append_to_a_jpeg(tmp_path):
    thumbnail = saved(tmp_path / "thumbnail.jpg", RGB.resize((16, 12))).read_bytes()
    image = saved(tmp_path / "a.jpg", RGB, exif=b"Exif\0\0" + thumbnail)
    data = image.read_bytes()
    expected = as_pillow_sees(image, "RGB")
    image.write_bytes(data + b"\xff\xda trailer")
    assert np.array_equal(only(image), expected)
    image.write_bytes(data[:-2])
    with pytest.raises(Refused, match="cut short"):
        only(image)
    stereo = saved(tmp_path / "stereo.jpg", RGB, format="MPO", save_all=True, append_images=[RGB])
    assert np.array_equal(only(stereo), as_pillow_sees(stereo, "RGB"))


def test_transparency_lies_over_white(tmp_path):
    image = RGB.convert("RGBA")
    alpha = (np.arange(40 * 52) % 256).astype(np.uint8).reshape(40, 52)
    image.putalpha(PIL.Image.fromarray(alpha))
    path = saved(tmp_path / "a.webp", image, lossless=True, exact=True)
    white = PIL.Image.new("RGBA", image.size, "white")
    expected = np.asarray(PIL.Image.alpha_composite(white, image).convert("RGB"))
    assert np.abs(only(path).astype(int) - expected).max() <= 1
    assert route_of(path) == "Pillow, RGB; alpha composited over white"


def test_transparent_palette_entry(tmp_path):
    image = PIL.Image.frombytes("P", (2, 2), bytes([0, 1, 2, 1]))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    path = saved(tmp_path / "a.gif", image, transparency=1)
    assert only(path).tolist() == [
        [[10, 20, 30], [255, 255, 255]],
        [[70, 80, 90], [255, 255, 255]],
    ]


def test_bitmap_whose_fourth_byte_is_unused(tmp_path):
    header = struct.pack("<IiiHHIIiiII", 56, 2, -1, 1, 32, 3, 8, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    pixels = bytes([3, 2, 1, 0, 6, 5, 4, 0])
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", 78, 0, 0, 70) + header + masks + pixels)
    assert only(path).tolist() == [[[1, 2, 3], [4, 5, 6]]]


def test_content_decides_over_the_name(tmp_path):
    path = saved(tmp_path / "a.png", RGB, format="JPEG")
    assert route_of(path) == "Pillow, RGB"
