"""JPEG, WebP, BMP and the first frame of GIF, decoded by Pillow to 8-bit gray or RGB.

What the formats cannot tell of themselves: JPEG, GIF, WebP and BMP carry no checksum, so flipped
bits inside the pixel data may decode to other pixels without an error, in BMP always. A file that
is cut short is always refused: BMP by its decoder, WebP by the size in its header, JPEG and GIF by
their missing end. Only the filler bytes that end a BMP's last row may be missing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tasks.readers import containers
from tasks.readers.base import Array, Image, Limits, Part, Reader, Refused
from tasks.readers.damage import refusing_damage
from tasks.readers.pixels import (
    ALPHA_REMARK,
    check_pixels,
    check_unchanged,
    composed,
    orientation_remark,
    oriented,
    oriented_shape,
    route,
)

_ORIENTATION = 0x0112
_LOCK = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class _Format:
    """How one format is known, measured and opened."""

    name: str
    recognises: Callable[[bytes, Path], bool]
    opener: Callable[[BinaryIO], ImageFile]
    canvas: Callable[[BinaryIO], tuple[int, int]] | None = None
    """(height, width) of a format whose decoder allocates as soon as it is opened."""
    frames: Callable[[bytes], int] | None = None
    """Number of frames of a complete file, for a format whose decoder ignores a missing end."""


def _parts(file_format: _Format, path: Path, limits: Limits) -> list[Part]:
    with path.open("rb") as stream:
        if file_format.canvas is not None:
            height, width = file_format.canvas(stream)
            check_pixels(height * width, limits)
        with _opened(file_format, stream) as image:
            check_pixels(image.width * image.height, limits)
            return [Part(name="", kind="image", shape=_shape(image), dtype="uint8")]


def _read(file_format: _Format, path: Path, part: Part) -> Image:
    with path.open("rb") as stream:
        if file_format.canvas is not None:
            check_unchanged(tuple(sorted(file_format.canvas(stream))), tuple(sorted(part.shape)))
        with _opened(file_format, stream) as image:
            check_unchanged(_shape(image), part.shape)
            frames = getattr(image, "n_frames", 1) if file_format.frames is None else 1
            orientation = _orientation(image)
            pixels, how = _decoded(image)
        if file_format.frames is not None:
            stream.seek(0)
            frames = file_format.frames(stream.read())
    several = f"first of {frames} frames" if frames > 1 else ""
    how = route(f"Pillow, {how}", several, orientation_remark(orientation))
    return Image(bands=iter([oriented(pixels, orientation)]), route=how)


@contextmanager
def _opened(file_format: _Format, stream: BinaryIO) -> Iterator[ImageFile]:
    """Header of a file in Pillow, whose own pixel limit gives way to ours meanwhile.

    The format's class is called instead of ``PIL.Image.open``: it says what is wrong with a file
    instead of not identifying it, and no other format can claim the file.
    """
    stream.seek(0)
    with _LOCK, refusing_damage("Pillow"):
        theirs, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            with file_format.opener(stream) as image:
                yield image
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = theirs


def _shape(image: ImageFile) -> tuple[int, int]:
    return oriented_shape(image.height, image.width, _orientation(image))


def _orientation(image: ImageFile) -> int:
    """EXIF orientation; 1 where there is none, or none that can be read."""
    try:
        with refusing_damage("Pillow"):
            value = image.getexif().get(_ORIENTATION, 1)
    except Refused:
        return 1
    return value if value in range(1, 9) else 1


def _decoded(image: ImageFile) -> tuple[Array, str]:
    """Gray or RGB pixels, and how they came about."""
    image.load()
    mode = image.mode
    gray = mode in ("1", "L", "LA")
    how = "gray" if gray else "RGB" if mode in ("RGB", "RGBA") else f"{_NAMES[mode]} to RGB"
    if mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        pixels = np.asarray(image.convert("LA" if gray else "RGBA"))
        if image.format == "BMP" and not pixels[..., -1].any():
            # Many writers leave the fourth byte of an opaque bitmap zero.
            return composed(pixels[..., :-1]), how
        return composed(pixels), f"{how}; {ALPHA_REMARK}"
    target = "L" if gray else "RGB"
    return np.asarray(image if mode == target else image.convert(target)), how


_NAMES = {"CMYK": "CMYK", "P": "palette", "PA": "palette", "YCbCr": "YCbCr"}

_FORMATS = (
    _Format(
        name="JPEG",
        recognises=containers.is_jpeg,
        opener=JpegImageFile,
        frames=containers.jpeg_frames,
    ),
    _Format(
        name="WebP",
        recognises=containers.is_webp,
        opener=WebPImageFile,
        canvas=containers.webp_canvas,
    ),
    _Format(name="BMP", recognises=containers.is_bmp, opener=BmpImageFile),
    _Format(
        name="GIF",
        recognises=containers.is_gif,
        opener=GifImageFile,
        frames=containers.gif_frames,
    ),
)

READERS: tuple[Reader, ...] = tuple(
    Reader(
        name=row.name,
        recognises=row.recognises,
        parts=partial(_parts, row),
        read=partial(_read, row),
    )
    for row in _FORMATS
)
