"""Small image files made on the spot, and what the readers make of them."""

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.typing import NDArray

from tasks.readers import pillow, png, tiff, zarr_images
from tasks.readers.base import Image, Limits, Part, Reader, Refused

READERS = (*png.READERS, *pillow.READERS, *tiff.READERS, *zarr_images.READERS)
Array = NDArray[Any]


def reader_of(path: Path) -> Reader | None:
    head = b"" if path.is_dir() else path.read_bytes()[:4096]
    return next((reader for reader in READERS if reader.recognises(head, path)), None)


def parts_of(path: Path, limits: Limits | None = None) -> list[Part]:
    reader = reader_of(path)
    assert reader is not None, path
    return reader.parts(path, limits or Limits())


def loaded(path: Path, limits: Limits | None = None) -> dict[str, Array]:
    """Every image of a file by its name, checked against what the header promised."""
    reader = reader_of(path)
    assert reader is not None, path
    images = {}
    for part in reader.parts(path, limits or Limits()):
        result = reader.read(path, part)
        assert isinstance(result, Image)
        image = np.concatenate(list(result.bands))
        assert (image.shape[:2], str(image.dtype)) == (part.shape, part.dtype)
        assert image.ndim == 2 or image.shape[2] == 3
        images[part.name] = image
    return images


def only(path: Path) -> Array:
    """The image of a file that holds one."""
    (image,) = loaded(path).values()
    return image


def route_of(path: Path, index: int = 0) -> str:
    reader = reader_of(path)
    assert reader is not None
    result = reader.read(path, reader.parts(path, Limits())[index])
    return result.route


def refusal_of(path: Path, limits: Limits | None = None) -> tuple[str, str]:
    """Code and reason with which a file is refused."""
    with pytest.raises(Refused) as refusal:
        loaded(path, limits)
    return refusal.value.code, refusal.value.reason


def photo(height: int = 40, width: int = 52) -> Array:
    """(y, x, 3) uint8 gradients with noise, so that every codec has something to do."""
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([x * 4, y * 5, (x + y) * 2], axis=-1) % 256
    noise = np.random.default_rng(7).normal(0, 6, smooth.shape)
    return (smooth + noise).clip(0, 255).astype(np.uint8)


def saved(path: Path, image: PIL.Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def exif(orientation: int) -> PIL.Image.Exif:
    tags = PIL.Image.Exif()
    tags[0x0112] = orientation
    return tags


def chunk(name: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(name + data)
    return struct.pack(">I4s", len(data), name) + data + struct.pack(">I", crc)


def png_file(
    samples: Array, depth: int, colour: int, *chunks: bytes, rows: bytes | None = None
) -> bytes:
    """PNG of unfiltered rows; `rows` replaces the packed bytes of the samples."""
    height, width = samples.shape[:2]
    if rows is None:
        dtype = ">u2" if depth == 16 else "u1"
        rows = b"".join(b"\0" + row.astype(dtype).tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def every_format(folder: Path) -> dict[str, bytes]:
    """One small file of each format and compression, by name."""
    rgb = photo()
    image, gray16 = PIL.Image.fromarray(rgb), rgb[..., 0].astype(np.uint16) * 200
    saved(folder / "baseline.jpg", image, quality=90, exif=exif(6))
    saved(folder / "progressive.jpg", image, progressive=True)
    saved(folder / "cmyk.jpg", image.convert("CMYK"))
    saved(folder / "lossy.webp", image)
    saved(folder / "lossless.webp", image, lossless=True, exif=exif(3))
    saved(folder / "rgb.bmp", image)
    saved(folder / "palette.bmp", image.quantize(16))
    saved(folder / "palette.gif", image.quantize(64))
    saved(folder / "rgb.png", image, exif=exif(8))
    saved(folder / "palette.png", image.quantize(16))
    (folder / "gray16.png").write_bytes(imagecodecs.png_encode(gray16))
    for compression in ("none", "lzw", "deflate", "packbits", "zstd", "jpeg"):
        for layout in ({"tile": (16, 16)}, {"rowsperstrip": 16}):
            tifffile.imwrite(
                folder / f"{compression}-{next(iter(layout))}.tif",
                rgb,
                photometric="rgb",
                compression=None if compression == "none" else compression,
                **layout,
            )
    saved(folder / "fax.tif", image.convert("1"), compression="group4")
    stack = np.stack([gray16] * 3)
    tifffile.imwrite(folder / "ome.tif", stack, ome=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "big.tif", stack, photometric="minisblack", bigtiff=True)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
