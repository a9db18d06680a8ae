"""PNG, 1 to 16 bits: the chunks are checked here, the pixels decoded by imagecodecs (libpng).

Pillow cuts 16-bit RGB to 8 bits and fills rows that an intact, but too short, image chunk lacks;
libpng does neither. It does not notice a missing end, so every chunk's CRC and the closing chunk
are checked before. A flipped bit anywhere up to the closing chunk is therefore found.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import PIL.Image

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

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {0: "gray", 2: "RGB", 3: "palette to RGB", 4: "gray", 6: "RGB"}
_DECODED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks handed to the decoder; without the others no text, profile or animation can harm it."""
_KEPT = (b"IHDR", b"eXIf", b"acTL", b"tRNS")
"""Small chunks that the header tells of."""
_ORIENTATION = 0x0112
_LARGEST_KEPT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What the chunks around the pixels say."""

    height: int
    width: int
    depth: int
    colour: int
    transparent: bool
    frames: int
    orientation: int

    @property
    def shape(self) -> tuple[int, int]:
        return oriented_shape(self.height, self.width, self.orientation)

    @property
    def remarks(self) -> str:
        several = f"first of {self.frames} frames" if self.frames > 1 else ""
        alpha = ALPHA_REMARK if self.transparent or self.colour in (4, 6) else ""
        decoded = f"imagecodecs, {self.depth}-bit {_COLOURS[self.colour]}"
        return route(decoded, several, alpha, orientation_remark(self.orientation))


def _recognises(head: bytes, path: Path) -> bool:
    return head.startswith(_SIGNATURE)


def _parts(path: Path, limits: Limits) -> list[Part]:
    with path.open("rb") as stream:
        header = _header({name: _data(stream, place, size) for name, place, size in _small(stream)})
    check_pixels(header.height * header.width, limits)
    dtype = "uint16" if header.depth == 16 else "uint8"
    return [Part(name="", kind="image", shape=header.shape, dtype=dtype)]


def _read(path: Path, part: Part) -> Image:
    with path.open("rb") as stream:
        kept = {name: _data(stream, place, size) for name, place, size in _small(stream)}
        header = _header(kept)
        check_unchanged(header.shape, part.shape)
        checked = b"".join(_checked(stream))
    with refusing_damage("libpng"):
        samples: Array = imagecodecs.png_decode(checked)
    if samples.shape[:2] != (header.height, header.width):
        raise Refused("corrupt", f"the file is damaged: {samples.shape} pixels came out of it")
    image = composed(samples.reshape(header.height, header.width, -1))
    return Image(bands=iter([oriented(image, header.orientation)]), route=header.remarks)


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of every chunk up to the closing one, which must be there."""
    place = len(_SIGNATURE)
    name = b""
    while name != b"IEND":
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            raise Refused("corrupt", f"the file is cut short: it ends at byte {place}, in no chunk")
        size, name = struct.unpack(">I4s", head)
        if (name == b"IHDR") != (place == len(_SIGNATURE)):
            raise Refused("corrupt", f"the file is damaged: chunk {name!r} at byte {place}")
        yield name, place, size
        place += size + 12


def _small(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Find the chunks that the header is made of; a huge one would be no orientation."""
    return (chunk for chunk in _chunks(stream) if chunk[0] in _KEPT and chunk[2] <= _LARGEST_KEPT)


def _data(stream: BinaryIO, place: int, size: int) -> bytes:
    """Read the data of one chunk, whose CRC must agree."""
    stream.seek(place)
    chunk = stream.read(size + 12)
    if len(chunk) < size + 12:
        raise Refused("corrupt", f"the file is cut short in the chunk at byte {place}")
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
        raise Refused("corrupt", f"the file is damaged: the CRC of the chunk at byte {place}")
    return chunk[8:-4]


def _checked(stream: BinaryIO) -> Iterator[bytes]:
    """Reduce a PNG to what makes its pixels, each chunk of the file checked on the way."""
    yield _SIGNATURE
    for name, place, size in _chunks(stream):
        data = _data(stream, place, size)
        if name in _DECODED:
            yield struct.pack(">I4s", size, name)
            yield data
            yield zlib.crc32(data, zlib.crc32(name)).to_bytes(4)
        elif name[:1].isupper():
            raise Refused("unsupported", f"its chunk {name!r} is of no standard PNG")


def _header(kept: dict[bytes, bytes]) -> _Header:
    """Size, kind and orientation from the small chunks."""
    size = kept.get(b"IHDR", b"")
    if len(size) != 13:
        raise Refused("corrupt", "the file is damaged: its header chunk is not 13 bytes")
    width, height, depth, colour = struct.unpack(">IIBB3x", size)
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31) or colour not in _COLOURS:
        raise Refused("corrupt", f"the file is damaged: {width}x{height} of colour type {colour}")
    return _Header(
        height=height,
        width=width,
        depth=depth,
        colour=colour,
        transparent=b"tRNS" in kept,
        frames=int.from_bytes(kept.get(b"acTL", b"")[:4]),
        orientation=_orientation(kept.get(b"eXIf", b"")),
    )


def _orientation(exif: bytes) -> int:
    """EXIF orientation; 1 where there is none, or none that can be read."""
    tags = PIL.Image.Exif()
    try:
        with refusing_damage("PIL"):
            tags.load(exif)
            value = tags.get(_ORIENTATION, 1)
    except Refused:
        return 1
    return value if value in range(1, 9) else 1


READERS: tuple[Reader, ...] = (
    Reader(name="PNG", recognises=_recognises, parts=_parts, read=_read),
)
