import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest

from tasks.readers.base import Refused
from tests.tasks.readers.image_files import (
    chunk,
    loaded,
    only,
    parts_of,
    photo,
    png_file,
    route_of,
    saved,
)

RNG = np.random.default_rng(3)


def written(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("interlaced", [False, True])
def test_eight_bits_agree_with_pillow(tmp_path, mode, interlaced):
    image = PIL.Image.fromarray(photo())
    image = image.quantize(40) if mode == "P" else image.convert(mode)
    path = saved(tmp_path / "a.png", image)
    if interlaced:
        samples = np.asarray(image.convert("RGB" if mode == "P" else "L" if mode == "1" else mode))
        path.write_bytes(interlaced_png(samples))
    assert np.array_equal(only(path), np.asarray(image.convert("L" if mode in "1L" else "RGB")))


def interlaced_png(samples):
    """Adam7 by its definition: seven passes, each a small image of unfiltered rows."""
    starts = (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    )
    rows = b""
    for top, left, down, across in starts:
        for row in samples[top::down, left::across]:
            rows += b"\0" + row.tobytes()
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if samples.ndim == 3 else 0, 0, 0, 1)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("depth", [2, 4])
def test_few_bits_reach_from_black_to_white(tmp_path, depth):
    packed = b"\0" + bytes([0b11100100] if depth == 2 else [0xF0, 0x5A])
    path = written(tmp_path / "a.png", png_file(np.empty((1, 4)), depth, 0, rows=packed))
    assert only(path).tolist() == [[255, 170, 85, 0] if depth == 2 else [255, 0, 85, 170]]


@pytest.mark.parametrize(("colour", "samples"), [(0, 1), (2, 3)])
def test_sixteen_bits_keep_every_bit(tmp_path, colour, samples):
    pixels = RNG.integers(0, 65536, (31, 17, samples), dtype=np.uint16)
    path = written(tmp_path / "a.png", png_file(pixels, 16, colour))
    assert np.array_equal(only(path), pixels[..., 0] if samples == 1 else pixels)
    assert parts_of(path)[0].dtype == "uint16"
    assert route_of(path) == f"imagecodecs, 16-bit {'gray' if colour == 0 else 'RGB'}"


@pytest.mark.parametrize(("colour", "samples"), [(4, 2), (6, 4)])
@pytest.mark.parametrize("depth", [8, 16])
def test_alpha(tmp_path, colour, samples, depth):
    white = (1 << depth) - 1
    dtype = np.uint16 if depth == 16 else np.uint8
    pixels = RNG.integers(0, white + 1, (30, 20, samples), dtype=dtype)
    pixels[0, :, -1], pixels[1, :, -1] = white, 0
    image = only(written(tmp_path / "a.png", png_file(pixels, depth, colour)))
    image = image.reshape(30, 20, -1)
    alpha = pixels[..., -1:] / white
    exact = alpha * pixels[..., :-1] + (1 - alpha) * white
    assert np.abs(image - exact).max() <= 0.5 + 1e-6
    assert np.array_equal(image[0], pixels[0, :, :-1])
    assert (image[1] == white).all()
    assert route_of(tmp_path / "a.png").endswith("; alpha composited over white")


def test_a_transparent_colour(tmp_path):
    pixels = np.array([[[7, 8, 9], [7, 8, 10]]], dtype=np.uint16) * 1000
    transparent = chunk(b"tRNS", pixels[0, 0].astype(">u2").tobytes())
    image = only(written(tmp_path / "a.png", png_file(pixels, 16, 2, transparent)))
    assert image.tolist() == [[[65535] * 3, [7000, 8000, 10000]]]


def test_orientation_may_stand_behind_the_pixels(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    tags = struct.pack(">4sIHHHIHHI", b"MM\0*", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    data = png_file(pixels, 8, 0)
    data = data[:-12] + chunk(b"eXIf", tags) + data[-12:]
    path = written(tmp_path / "a.png", data)
    assert only(path).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert route_of(path) == "imagecodecs, 8-bit gray; EXIF orientation 6 applied"


def test_text_bombs_and_animations_do_no_harm(tmp_path):
    pixels = photo(8, 8)
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000)))
    frames = chunk(b"acTL", struct.pack(">II", 3, 0))
    path = written(tmp_path / "a.png", png_file(pixels, 8, 2, bomb, frames, chunk(b"iCCP", b"?")))
    assert np.array_equal(only(path), pixels)
    assert route_of(path) == "imagecodecs, 8-bit RGB; first of 3 frames"


def test_too_large(tmp_path):
    header = struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(Refused, match=r"900 megapixels.*180.*--max-pixels") as refusal:
        parts_of(written(tmp_path / "a.png", data))
    assert refusal.value.code == "too-large"


@pytest.mark.parametrize("depth", [8, 16])
def test_too_few_rows_are_not_made_up(tmp_path, depth):
    pixels = photo(9, 7)[..., 0]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in pixels)
    path = written(tmp_path / "a.png", png_file(pixels, depth, 0, rows=rows[:-20]))
    with pytest.raises(Refused, match="Not enough image data") as refusal:
        loaded(path)
    assert refusal.value.code == "corrupt"


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        ((chunk(b"CgBI", b"\0\0\0\0"),), "unsupported"),
        ((chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0)),), "corrupt"),
        ((struct.pack(">I4s", 0xFFFFFFFF, b"tEXt"),), "corrupt"),
    ],
)
def test_odd_chunks(tmp_path, chunks, code):
    path = written(tmp_path / "a.png", png_file(photo(4, 4)[..., 0], 8, 0, *chunks))
    with pytest.raises(Refused) as refusal:
        loaded(path)
    assert refusal.value.code == code


@pytest.mark.parametrize("depth", [8, 16])
def test_every_flipped_bit_is_found(tmp_path, depth):
    pixels = photo(6, 5)[..., 0].astype(np.uint16 if depth == 16 else np.uint8)
    data = imagecodecs.png_encode(pixels)
    path = tmp_path / "a.png"
    for place in range(8 * 8, 8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(Refused):
            loaded(path)
