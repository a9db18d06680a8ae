"""Where a TIFF's pages lie and what each holds, checked from its tags before anything is decoded.

References: TIFF 6.0 (Aldus, 1992), TIFF Technical Note 2 (JPEG), the BigTIFF proposal (2004).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from tifffile import TiffFile, TiffPage

from tasks.readers.base import Refused
from tasks.readers.pixels import image_class

Colour = Literal["gray", "RGB", "palette", "CMYK", "YCbCr", "channels"]

COMPRESSIONS = {
    1: "uncompressed",
    2: "CCITT RLE",
    3: "CCITT group 3",
    4: "CCITT group 4",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34925: "LZMA",
    50000: "Zstandard",
}
"""Schemes whose decoders refuse a segment that is cut short, or whose ends are checked."""

_PIXEL_TAGS = {256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 284, 317, 320}
_PIXEL_TAGS |= {322, 323, 324, 325, 332, 338, 339, 347, 530}
"""Tags without which other pixels would come out, or pixels of another name."""

_DNG_VERSION = 50706
_MOST_TAGS = 4096


def directories(stream: BinaryIO) -> list[int]:
    """Follow the chain of pages to its end, and return the offset of each page's directory.

    Raises
    ------
    Refused
        "corrupt" where the chain leaves the file or bites its tail: pages would be lost in silence.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    order = ">" if stream.read(2) == b"MM" else "<"
    if struct.unpack(f"{order}H", stream.read(2))[0] == 43:
        first, count, place, entry = 8, f"{order}Q", f"{order}Q", 20
    else:
        first, count, place, entry = 4, f"{order}H", f"{order}I", 12
    found: dict[int, None] = {}
    try:
        stream.seek(first)
        offset = _number(stream, place)
        while offset:
            if offset in found:
                raise Refused("corrupt", f"the file is damaged: page {len(found)} leads back")
            if offset >= size:
                raise Refused("corrupt", f"the file is cut short after {len(found)} pages")
            stream.seek(offset)
            found[offset] = None
            stream.seek(min(_number(stream, count), _MOST_TAGS) * entry, 1)
            offset = _number(stream, place)
    except struct.error as error:
        raise Refused("corrupt", f"the file is cut short after {len(found)} pages") from error
    if not found:
        raise Refused("corrupt", "the file is damaged: it lists no page")
    return list(found)


def _number(stream: BinaryIO, form: str) -> int:
    """Read one unsigned integer."""
    (value,) = struct.unpack(form, stream.read(struct.calcsize(form)))
    return int(value)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pixels of one page are stored."""

    height: int
    width: int
    samples: int
    separate: bool
    """True where each sample has its own plane, False where they stand pixel by pixel."""
    colour: Colour
    alpha: Literal["", "associated", "unassociated"]
    dtype: np.dtype[np.generic]
    bits: int
    segment: tuple[int, int]
    """(rows, columns) of a strip or tile; the last ones may stand over the edge."""
    orientation: int
    compression: str
    rows_readable: bool
    """True where any rows can be read by themselves: uncompressed strips of whole bytes."""
    inverted: bool

    @property
    def channels(self) -> int:
        """Number of images that the page makes."""
        return self.samples if self.colour == "channels" else 1

    @property
    def image_class(self) -> str:
        """Class of the decoded image."""
        return "uint8" if self.colour == "palette" else image_class(self.dtype)

    def wanted(self, channel: int) -> list[int]:
        """List the samples that make the image, alpha last."""
        if self.colour == "channels":
            return [channel]
        number = _COLOUR_SAMPLES[self.colour] + bool(self.alpha)
        return list(range(number))


_INK = (np.uint8, np.uint16)
_COLOUR_SAMPLES = {"gray": 1, "palette": 1, "RGB": 3, "YCbCr": 3, "CMYK": 4}


def layout_of(page: TiffPage) -> Layout:
    """Check a page's tags.

    Raises
    ------
    Refused
        "corrupt" where tags are missing or contradict each other, "unsupported" where they are of
        a kind that is not read.
    """
    _check_tags(page)
    colour = _colour(page)
    tiled = bool(page.is_tiled)
    segment = (page.tilelength, page.tilewidth) if tiled else (page.rowsperstrip, page.imagewidth)
    plain = page.compression == 1 and page.predictor == 1 and page.fillorder == 1
    return Layout(
        height=page.imagelength,
        width=page.imagewidth,
        samples=page.samplesperpixel,
        separate=page.planarconfig == 2 and page.samplesperpixel > 1,
        colour=colour,
        alpha=_alpha(page, colour),
        dtype=np.dtype(page.dtype),
        bits=page.bitspersample,
        segment=segment,
        orientation=_orientation(page),
        compression=COMPRESSIONS[page.compression],
        rows_readable=plain and not tiled and page.bitspersample in (8, 16, 32, 64),
        inverted=page.photometric == 0 and np.dtype(page.dtype).kind in "bu",
    )


def _listed_tags(page: TiffPage) -> set[int]:
    """Codes of the tags in the directory, whether they could be read or not."""
    form, stream = page.parent.tiff, page.parent.filehandle
    stream.seek(page.offset)
    (count,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
    entries = stream.read(min(count, _MOST_TAGS) * form.tagsize)
    layout = f"{page.parent.byteorder}H{form.tagsize - 2}x"
    return {code for (code,) in struct.iter_unpack(layout, entries)}


def _check_tags(page: TiffPage) -> None:
    """Refuse what has no pixels that could be decoded as they were meant."""
    listed = _listed_tags(page)
    lost = (_PIXEL_TAGS & listed) - {tag.code for tag in page.tags}
    if lost or not {256, 257, 262} <= listed:
        raise Refused("corrupt", f"the file is damaged: tags {sorted(lost)} cannot be read")
    if page.photometric in (32803, 34892) or _DNG_VERSION in listed:
        raise Refused("unsupported", "it is a camera's raw image: develop it to TIFF or JPEG")
    if page.compression not in COMPRESSIONS:
        raise Refused(
            "unsupported",
            f"its TIFF compression {page.compression} is not read: save it with deflate",
        )
    if page.dtype is None or not isinstance(page.bitspersample, int):
        raise Refused(
            "unsupported",
            f"samples of {page.bitspersample} bits, format {page.sampleformat}, are not read",
        )
    if page.imagedepth != 1:
        raise Refused("unsupported", "it holds volumes: save each plane as a page")
    extent = (page.imagelength, page.imagewidth, page.samplesperpixel, page.bitspersample)
    segment = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, 1)
    if not all(isinstance(side, int) and side > 0 for side in extent + segment):
        raise Refused("corrupt", f"the file is damaged: its image is {extent}, in {segment}")


def _colour(page: TiffPage) -> Colour:
    """Tell what the samples of a pixel mean."""
    samples, photometric = page.samplesperpixel, page.photometric
    if photometric in (0, 1, 4):
        alpha = samples == 2 and tuple(page.extrasamples) in ((1,), (2,))
        return "gray" if samples == 1 or alpha else "channels"
    if photometric == 3 and samples == 1 and page.colormap is not None:
        return "palette"
    if photometric == 2 and samples >= 3:
        return "RGB"
    if photometric == 5 and samples >= 4 and page.compression != 7 and page.dtype in _INK:
        return "CMYK"
    if photometric == 6 and samples == 3 and page.dtype == np.uint8:
        if page.compression == 7 and page.planarconfig == 1:
            return "RGB"
        if page.subsampling == (1, 1) and page.compression in (1, 5, 8, 32773, 32946):
            return "YCbCr"
    raise Refused(
        "unsupported",
        f"{samples} samples of photometric interpretation {photometric} are not read: "
        "save it as gray or RGB",
    )


def _alpha(page: TiffPage, colour: Colour) -> Literal["", "associated", "unassociated"]:
    """Whether the first sample after the colours is alpha; others are left out."""
    extra = tuple(page.extrasamples)[:1] if colour in ("gray", "RGB") else ()
    return "associated" if extra == (1,) else "unassociated" if extra == (2,) else ""


def _orientation(page: TiffPage) -> int:
    value = page.tags.valueof(274, default=1)
    return value if value in range(1, 9) else 1


def open_tiff(path: Path) -> TiffFile:
    """Open a file without the exceptions that its name, or other files, would bring in."""
    return TiffFile(str(path), _multifile=False, is_ndpi=False, is_scanimage=False)


def page_at(file: TiffFile, offset: int) -> TiffPage:
    """Read one page's tags at its place, without the pages before it."""
    file.filehandle.seek(offset)
    return TiffPage(file, index=0)
