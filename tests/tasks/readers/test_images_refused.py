import errno
import io
import struct
from pathlib import Path

import PIL.Image
import PIL.ImageFile
import PIL.ImageOps
import pytest

from tasks.readers.base import Limits, Part, Refused
from tasks.readers.damage import refusing_damage
from tests.tasks.readers.image_files import (
    loaded,
    only,
    parts_of,
    photo,
    reader_of,
    saved,
)

RGB = PIL.Image.fromarray(photo())


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0"),
        ("a.gif", b"GIF89a"),
        ("a.webp", b"RIFF\x60\0\0\0WEBPVP8 "),
        ("a.bmp", b"BM" + bytes(12) + b"\x28"),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.tif", b"II*\0"),
        ("b.tif", b"MM\0+"),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"\0" * 200, b"\xff" * 200, bytes(range(256))])
def test_right_magic_before_garbage(tmp_path, name, head, rest):
    (tmp_path / name).write_bytes(head + rest)
    with pytest.raises(Refused) as refusal:
        loaded(tmp_path / name)
    assert refusal.value.code in ("corrupt", "unsupported", "too-large")


def too_large(path):
    with pytest.raises(Refused) as refusal:
        parts_of(path)
    assert refusal.value.code == "too-large"
    return refusal.value.reason


def test_headers_that_promise_too_much(tmp_path):
    bitmap = struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 30000, 30000, 1, 8, *[0] * 6)
    (tmp_path / "a.bmp").write_bytes(b"BM" + bitmap)
    gif = struct.pack("<HHBBBB4HB", 30000, 30000, 0, 0, 0, 0x2C, 0, 0, 30000, 30000, 0)
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + gif + b"\x02\x01\x04\0;")
    side = (15999).to_bytes(3, "little")
    webp = b"WEBPVP8X" + struct.pack("<II", 10, 0) + side + side
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(webp)) + webp)
    stream = io.BytesIO()
    RGB.save(stream, "JPEG")
    jpeg = bytearray(stream.getvalue())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 60000, 60000)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    for name, megapixels in [("a.bmp", 900), ("a.gif", 900), ("a.webp", 256), ("a.jpg", 3600)]:
        reason = too_large(tmp_path / name)
        assert f"{megapixels} megapixels" in reason
        assert "180" in reason
        assert "--max-pixels" in reason


def test_our_limit_takes_the_place_of_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    path = saved(tmp_path / "a.webp", RGB)
    assert only(path).shape == (40, 52, 3)
    with pytest.raises(Refused, match=r"0\.00208 megapixels, the limit is 0\.002"):
        parts_of(path, Limits(max_pixels=2000))
    assert PIL.Image.MAX_IMAGE_PIXELS == 10
    assert not PIL.ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_file_replaced_since_it_was_listed(tmp_path):
    path = saved(tmp_path / "a.jpg", RGB)
    reader = reader_of(path)
    (part,) = reader.parts(path, Limits())
    saved(path, RGB.resize((20, 20)))
    with pytest.raises(Refused) as refusal:
        reader.read(path, part)
    assert refusal.value.code == "changed"


def test_a_vanished_file_is_the_callers_business(tmp_path):
    path = saved(tmp_path / "a.jpg", RGB)
    reader = reader_of(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        reader.parts(path, Limits())
    with pytest.raises(FileNotFoundError):
        reader.read(path, Part(name="", kind="image", shape=(40, 52), dtype="uint8"))


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "disk"), MemoryError("no"), PermissionError(13, "no")]
)
def test_what_is_no_damage_passes(error):
    with pytest.raises(type(error)), refusing_damage("Pillow"):
        raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError("image file is truncated\nmore"), "corrupt"),
        (OSError(errno.EINVAL, "Invalid argument"), "corrupt"),
        (SyntaxError("cannot handle 12-bit layers"), "unsupported"),
        (NotImplementedError("new"), "unsupported"),
        (ZeroDivisionError(), "corrupt"),
        (Refused("empty", "holds nothing"), "empty"),
    ],
)
def test_what_decoders_raise_becomes_one_refusal(error, code):
    with pytest.raises(Refused) as refusal, refusing_damage("Pillow"):
        raise error
    assert refusal.value.code == code
    assert "\n" not in refusal.value.reason


def test_twelve_bit_jpeg_is_unsupported(tmp_path):
    path = Path(saved(tmp_path / "a.jpg", RGB))
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    path.write_bytes(data)
    with pytest.raises(Refused) as refusal:
        loaded(path)
    assert refusal.value.code == "unsupported"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"<html>no</html>"),
        ("a.jpg", b""),
        ("a.bmp", b"bmp"),
        ("a.txt", b"BMW makes cars"),
    ],
)
def test_other_content_is_recognised_by_nobody(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert reader_of(tmp_path / name) is None
