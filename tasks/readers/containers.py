"""What image containers say before any decoder is asked: whose they are, how large, how complete.

References: ITU-T T.81 (JPEG), RFC 9649 (WebP), the GIF89a specification (CompuServe, 1990).
"""

import struct
from pathlib import Path
from typing import BinaryIO

from tasks.readers.base import Refused

_NO_LENGTH = frozenset(bytes([code]) for code in (0, 1, *range(0xD0, 0xD9), 0xFF))
"""JPEG markers that stand alone, and bytes after which the next marker is still to come."""

_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def is_jpeg(head: bytes, path: Path) -> bool:
    """Tell a JPEG from the file's first bytes."""
    return head.startswith(b"\xff\xd8\xff")


def is_gif(head: bytes, path: Path) -> bool:
    """Tell a GIF from the file's first bytes."""
    return head.startswith((b"GIF87a", b"GIF89a"))


def is_webp(head: bytes, path: Path) -> bool:
    """Tell a WebP from the file's first bytes."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def is_bmp(head: bytes, path: Path) -> bool:
    """Tell a bitmap from its two letters, which may begin a text too, and one thing more."""
    known_header = int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS
    return head.startswith(b"BM") and (known_header or path.suffix.lower() == ".bmp")


def webp_canvas(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) of a WebP, whose decoder would allocate it as soon as it is opened.

    Raises
    ------
    Refused
        "corrupt" where the file is shorter than its header says, or its first chunk is unknown.
    """
    head = stream.read(30)
    length = stream.seek(0, 2)
    if len(head) < 30 or length < 8 + int.from_bytes(head[4:8], "little"):
        raise Refused("corrupt", f"the file is cut short: {length} bytes are left of it")
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", head[26:30]))
    else:
        raise Refused("corrupt", f"the file is damaged: its first chunk is {kind!r}")
    return height, width


def jpeg_frames(data: bytes) -> int:
    """Count the images of a complete JPEG: one, whatever its maker appended.

    Raises
    ------
    Refused
        "corrupt" where no end follows the first scan; a decoder may have all rows without it.
    """
    place = data.find(b"\xff", 2)
    while (marker := data[place + 1 : place + 2]) != b"\xda" and place > 0:
        alone = marker in _NO_LENGTH
        size = 1 if alone else 2 + int.from_bytes(data[place + 2 : place + 4])
        place = data.find(b"\xff", place + size)
    if place < 0 or data.find(b"\xff\xd9", place) < 0:
        raise Refused("corrupt", f"the file is cut short: no end up to byte {len(data)}")
    return 1


def gif_frames(data: bytes) -> int:
    """Count the frames of a complete GIF.

    Raises
    ------
    Refused
        "corrupt" where the file ends before its trailer, which decoders of one frame do not miss.
    """
    place = 13 + _table_size(data[10]) if len(data) > 10 else 13
    frames = 0
    while (kind := data[place : place + 1]) != b";":
        if kind == b",":
            frames += 1
            fields = data[place + 9 : place + 10] or b"\0"
            place = _after_blocks(data, place + 11 + _table_size(fields[0]))
        elif kind == b"!":
            place = _after_blocks(data, place + 2)
        else:
            what = "has a damaged block" if kind else "is cut short"
            raise Refused("corrupt", f"the file {what}: no trailer up to byte {place}")
    return frames


def _table_size(flags: int) -> int:
    """Bytes of the colour table that a GIF's flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 128 else 0


def _after_blocks(data: bytes, place: int) -> int:
    """Place after a chain of sub-blocks, each led by its length, the last of length zero."""
    while place < len(data) and data[place]:
        place += data[place] + 1
    return place + 1
