"""Hostile image files: cut, flipped, mislabelled, bombs, and kinds that are rarely met."""

import io
import json
import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import tifffile
import zarr

from tests.bad_input.entries import CORRUPT_OR_DONE, DONE, Archive, cut, flipped

BOMB_SIDE = 30_000


def photo(height: int = 96, width: int = 112, seed: int = 0) -> np.ndarray:
    """(y, x, 3) uint8 gradients with noise, so that every codec has something to do."""
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([x * 2, y * 3, x + y], axis=-1) % 256
    noise = np.random.default_rng(seed).normal(0, 12, smooth.shape)
    return (smooth + noise).clip(0, 255).astype(np.uint8)


def pillow_bytes(image: PIL.Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff_bytes(pixels: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))


def png_bomb() -> bytes:
    """900 megapixels of one bit in about 110 kB."""
    packer = zlib.compressobj(9)
    row = bytes(1 + -(-BOMB_SIDE // 8))
    data = b"".join(packer.compress(row * 100) for _ in range(BOMB_SIDE // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def tiff_bomb() -> bytes:
    """900 megapixels of deflate, all strips being the same few bytes of the file."""
    rows = 1000
    strip = zlib.compress(bytes(rows * BOMB_SIDE), 9)
    count = BOMB_SIDE // rows
    head, lists = 8, 8 + len(strip)
    long, short = 4, 3
    tags = [
        (256, long, 1, BOMB_SIDE),
        (257, long, 1, BOMB_SIDE),
        (258, short, 1, 8),
        (259, short, 1, 8),
        (262, short, 1, 1),
        (273, long, count, lists),
        (277, short, 1, 1),
        (278, long, 1, rows),
        (279, long, count, lists + 4 * count),
    ]
    place = lists + 8 * count
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    offsets = struct.pack(f"<{count}I", *[head] * count)
    sizes = struct.pack(f"<{count}I", *[len(strip)] * count)
    end = struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", place) + strip + offsets + sizes + directory + end


def jpeg_bomb() -> bytes:
    """A small JPEG whose header promises 65,500 by 65,500 pixels."""
    data = bytearray(pillow_bytes(PIL.Image.fromarray(photo()), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def gif_bomb() -> bytes:
    data = bytearray(pillow_bytes(PIL.Image.fromarray(photo()).quantize(64), "GIF"))
    data[6:10] = struct.pack("<HH", 60_000, 60_000)
    return bytes(data)


def add_bombs(archive: Archive) -> None:
    for name, data in (
        ("bombs/bits.png", png_bomb()),
        ("bombs/strips.tif", tiff_bomb()),
        ("bombs/header.jpg", jpeg_bomb()),
        ("bombs/header.gif", gif_bomb()),
    ):
        archive.put(name, data, "quarantined", "too-large", "megapixels")


def good_images() -> dict[str, bytes]:
    """One intact file of each format, by suffix."""
    rgb = photo()
    image = PIL.Image.fromarray(rgb)
    gray16 = rgb[..., 0].astype(np.uint16) * 200
    return {
        "jpg": pillow_bytes(image, "JPEG", quality=90),
        "png": pillow_bytes(image, "PNG"),
        "16.png": imagecodecs.png_encode(gray16),
        "rgba.png": pillow_bytes(image.convert("RGBA"), "PNG"),
        "tif": tiff_bytes(rgb, photometric="rgb"),
        "deflate.tif": tiff_bytes(rgb, photometric="rgb", compression="deflate"),
        "webp": pillow_bytes(image, "WEBP"),
        "bmp": pillow_bytes(image, "BMP"),
        "gif": pillow_bytes(image.quantize(64), "GIF"),
    }


CHECKED = ("png", "16.png", "rgba.png", "deflate.tif")
"""Formats in which a flipped bit is found."""


def add_damaged_images(archive: Archive) -> None:
    for suffix, data in good_images().items():
        archive.put(f"good/photo.{suffix}", data)
        archive.put(f"cut/half.{suffix}", cut(data, 0.5), "quarantined", "corrupt", "damaged|cut")
        archive.put(f"cut/hundredth.{suffix}", cut(data, 0.01), "quarantined", "corrupt|mismatch")
        status = "quarantined" if suffix in CHECKED else CORRUPT_OR_DONE
        archive.put(f"flipped/photo.{suffix}", flipped(data), status, "corrupt")


def add_mislabelled_images(archive: Archive) -> None:
    good = good_images()
    page = b"<!DOCTYPE html><html><body>404 not found</body></html>"
    mismatch = ("quarantined", "mismatch")
    archive.put("named/prose.png", b"This is no picture.\n" * 9, *mismatch, "plain text")
    archive.put("named/page.png", page, *mismatch, "HTML")
    archive.put("named/zeros.jpg", bytes(4096), *mismatch, "zero")
    archive.put("named/empty.png", b"", "quarantined", "empty", "0 bytes")
    archive.put("named/empty.csv", b"", "quarantined", "empty")
    archive.put("named/empty.npy", b"", "quarantined", "empty", "0 bytes")
    archive.put("named/jpeg.png", good["jpg"])
    archive.put("named/phone.heic", b"\0\0\0\x18ftypheic" + bytes(99), "quarantined",
                "unsupported", "convert")  # fmt: skip
    archive.put("named/notes.txt", b"A day at the telescope; clouds at 3.\n", "skipped", "other")
    archive.put("named/thing.xyz", b"\x01\x02", "skipped", "other", "xyz")
    archive.put("named/no_suffix", b"\x01\x02", "skipped", "other", "no suffix")
    archive.put("named/.DS_Store", b"\0\0", "skipped", "hidden")
    archive.put("named/.hidden.png", good["png"], "skipped", "hidden")
    archive.at(".git/photo.png").write_bytes(good["png"])
    archive.expect(".git", "skipped", "hidden", "hidden folder")


def add_rare_images(archive: Archive) -> None:
    floats = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    broken = floats.copy()
    broken[3, 4] = np.nan
    unfit = ("quarantined", "unsupported")
    archive.put("rare/float.tif", tiff_bytes(floats))
    archive.put("rare/nan.tif", tiff_bytes(broken), *unfit, "finite")
    archive.put("rare/inf.tif", tiff_bytes(np.where(broken > 0, np.inf, floats)), *unfit, "finite")
    large = floats.astype(np.float64)
    archive.put("rare/large.tif", tiff_bytes(large * 1e90), "flagged", "", "floating-point pixels")
    archive.put("rare/huge.tif", tiff_bytes(large * 1e308), *unfit, "beyond")
    archive.put("rare/uint32.tif", tiff_bytes(np.ones((64, 64), np.uint32)), *unfit, "uint32")
    archive.put("rare/negative.tif", tiff_bytes(floats - 0.5), *unfit, "data_range")
    archive.put("rare/one.png", pillow_bytes(PIL.Image.fromarray(photo(1, 1)), "PNG"),
                *unfit, "2 pixels at least")  # fmt: skip
    archive.put("rare/flat.png", pillow_bytes(PIL.Image.new("L", (64, 64), 9), "PNG"),
                "flagged", "", "flat")  # fmt: skip
    archive.put("rare/wide.png", pillow_bytes(PIL.Image.fromarray(photo(20, 3000)), "PNG"))
    archive.put("rare/wide2.png", pillow_bytes(PIL.Image.fromarray(photo(20, 2900)), "PNG"))
    archive.put("rare/tall.png", pillow_bytes(PIL.Image.fromarray(photo(9000, 1)), "PNG"))
    add_two_pages(archive)


def add_two_pages(archive: Archive) -> None:
    """Two pages of which the second is damaged, between its header and its end."""
    data = tiff_bytes(
        np.stack([photo(seed=1), photo(seed=2)]), photometric="rgb", compression="deflate"
    )
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start, size = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    place = (start + size / 2) / len(data)
    path = archive.expect("rare/pages.tif", DONE, part="page 1")
    archive.expect("rare/pages.tif", "quarantined", "corrupt", "damaged", part="page 2")
    path.write_bytes(flipped(data, place))


def zarr_folder(archive: Archive, name: str | bytes, *verdict: str, **more):
    """A Zarr array of four chunks with checksums; returns its folder."""
    path = archive.expect(name, *verdict, **more)
    array = zarr.create_array(
        zarr.storage.LocalStore(path), shape=(64, 64), chunks=(32, 32), dtype="uint8",
        compressors=zarr.codecs.ZstdCodec(checksum=True),
    )  # fmt: skip
    array[:] = photo(64, 64)[..., 0]
    return path


def add_zarr_folders(archive: Archive) -> None:
    zarr_folder(archive, "zarr/good.zarr")
    zarr_folder(archive, "zarr/.hidden.zarr", "skipped", "hidden")
    chunk = zarr_folder(archive, "zarr/flipped.zarr", "quarantined", "corrupt") / "c/1/0"
    chunk.write_bytes(flipped(chunk.read_bytes(), 0.5, 8))
    chunk = zarr_folder(archive, "zarr/cut.zarr", "quarantined", "corrupt") / "c/1/0"
    chunk.write_bytes(cut(chunk.read_bytes(), 0.5))
    # By Zarr's own definition a chunk that is not there holds the fill value.
    (zarr_folder(archive, "zarr/missing.zarr", DONE) / "c/1/0").unlink()
    (zarr_folder(archive, "zarr/header.zarr", "quarantined", "corrupt") / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "arr'
    )
    deep = zarr_folder(archive, "zarr/deep.zarr", "quarantined", "corrupt")
    (deep / "zarr.json").write_text("[" * 100_000)
    levels = [{"datasets": [{"path": "../../good/photo.zarr"}], "axes": ["y", "x"]}]
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"multiscales": levels}}
    outside = zarr_folder(archive, "zarr/outside.zarr", "quarantined", "corrupt")
    (outside / "zarr.json").write_text(json.dumps(group))
