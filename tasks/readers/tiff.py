"""TIFF, BigTIFF and OME-TIFF, decoded by tifffile in bands: one item a page.

A page whose samples are no colours makes one item a channel. Reduced copies and masks among the
pages are left out. A strip or tile of zero bytes is sparse, and filled as its writer says. TIFF has
no checksum of its own: flipped bits are found in deflate and LZMA segments, at times in LZW,
PackBits, CCITT, Zstandard and JPEG ones, never in uncompressed ones. A file that is cut short in
its pages or pixels is always refused, at the latest by the band that lacks them.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tifffile import TiffFile, TiffPage

from tasks.readers.base import Image, Limits, Part, Reader, Refused
from tasks.readers.damage import refusing_damage
from tasks.readers.pixels import (
    ALPHA_REMARK,
    check_expansion,
    check_pixels,
    check_unchanged,
    orientation_remark,
    oriented_shape,
    route,
)
from tasks.readers.tiff_bands import Source, band_pixels, bands
from tasks.readers.tiff_layout import (
    Layout,
    directories,
    layout_of,
    open_tiff,
    page_at,
)

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NOT_AN_IMAGE = 1 | 4
"""Bits of NewSubfileType: a reduced copy, a transparency mask."""


@dataclass(frozen=True)
class _Tiff:
    """An open file and the offsets of its pages."""

    file: TiffFile
    chain: list[int]

    def page(self, number: int) -> TiffPage:
        """Page by its number from 1."""
        return page_at(self.file, self.chain[number - 1])

    def images(self) -> dict[int, TiffPage]:
        """Pages that are images in their own right, by number."""
        pages = {number: self.page(number) for number in range(1, len(self.chain) + 1)}
        images = {n: page for n, page in pages.items() if not page.subfiletype & _NOT_AN_IMAGE}
        if not images:
            raise Refused("unsupported", "it holds only previews: save the image itself as TIFF")
        return images


def _recognises(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC)


@contextmanager
def _opened(path: Path) -> Iterator[_Tiff]:
    state = path.stat()
    chain = _chain(path, state.st_size, state.st_mtime_ns)
    with refusing_damage("tifffile"), open_tiff(path) as file:
        yield _Tiff(file, chain)


@lru_cache(maxsize=4)
def _chain(path: Path, size: int, mtime_ns: int) -> list[int]:
    """Offsets of the pages, kept since the pages of a stack are asked for one after another."""
    with path.open("rb") as stream:
        return directories(stream)


def _parts(path: Path, limits: Limits) -> list[Part]:
    parts = []
    with _opened(path) as tiff:
        images = tiff.images()
        labels = _plane_labels(tiff) if len(images) > 1 else {}
        for number, page in images.items():
            layout = layout_of(page)
            _check_size(layout, limits, path.stat().st_size)
            copies = _copies(page, layout) if len(tiff.chain) == 1 else 1
            for copy in range(copies):
                named = [f"page {number + copy}"] if len(images) * copies > 1 else []
                label = labels.get(page.offset, [])
                parts += _page_parts(layout, named + label)
    return parts


def _page_parts(layout: Layout, names: list[str]) -> list[Part]:
    """One item, or one a channel."""
    shape = oriented_shape(layout.height, layout.width, layout.orientation)
    several = layout.channels > 1
    channels = [[f"channel {number + 1}"] if several else [] for number in range(layout.channels)]
    return [
        Part(name=", ".join(names + channel), kind="image", shape=shape, dtype=layout.image_class)
        for channel in channels
    ]


def _check_size(layout: Layout, limits: Limits, stored: int) -> None:
    """Refuse an image that neither whole nor in bands keeps to the limit."""
    pixels = layout.height * layout.width
    check_expansion(pixels, pixels * layout.samples * layout.dtype.itemsize, stored, limits)
    band = band_pixels(layout)
    check_pixels(band, limits, "the image" if band >= pixels else "one band of the image")


def _copies(page: TiffPage, layout: Layout) -> int:
    """Count the images that lie behind a single directory, as ImageJ and tifffile write stacks.

    Raises
    ------
    Refused
        "unsupported" where there are several but no plain rows, so that their places are unknown.
    """
    stack = re.match(r"ImageJ=.*?^images=(\d{1,9})$", page.description, re.DOTALL | re.MULTILINE)
    copies = int(stack[1]) if stack else 1
    if page.description.startswith('{"shape": ') and '"truncated": true' in page.description:
        stacked = math.prod(json.loads(page.description)["shape"])
        copies = stacked // (layout.height * layout.width * layout.samples)
    if copies > 1 and not (layout.rows_readable and page.is_contiguous):
        raise Refused("unsupported", f"{copies} images behind one page: save each as a page")
    return max(1, copies)


def _plane_labels(tiff: _Tiff) -> dict[int, list[str]]:
    """Name pages by their offset as OME-XML does, ["t 0", "c 1"]; none if it is no help."""
    if not tiff.file.is_ome:
        return {}
    labels: dict[int, list[str]] = {}
    try:
        with refusing_damage("tifffile"):
            for number, series in enumerate(tiff.file.series):
                image = [f"image {number + 1}"] if len(tiff.file.series) > 1 else []
                axes = [
                    (axis.lower(), length)
                    for axis, length in zip(series.axes, series.shape, strict=True)
                    if axis not in "YXS"
                ]
                for index, page in enumerate(series.pages):
                    if page is not None:
                        labels[page.offset] = image + _plane_label(index, axes)
    except Refused:
        return {}
    return labels


def _plane_label(index: int, axes: list[tuple[str, int]]) -> list[str]:
    """Position of a plane along the leading axes, the last one running fastest."""
    label = []
    for axis, length in reversed(axes):
        index, position = divmod(index, length)
        label.append(f"{axis} {position}")
    return label[::-1]


def _read(path: Path, part: Part) -> Image:
    page = re.match(r"page (\d+)", part.name)
    channel = re.search(r"channel (\d+)$", part.name)
    with _opened(path) as tiff:
        number = int(page[1]) if page else next(iter(tiff.images()))
        pages = len(tiff.chain)
        copy = number - 1 if pages == 1 else 0
        if copy == 0 and number > pages:
            raise Refused("changed", f"its {part.name} is gone: {pages} pages are left")
        offset = tiff.chain[number - copy - 1]
        layout = layout_of(tiff.page(number - copy))
    shape = oriented_shape(layout.height, layout.width, layout.orientation)
    check_unchanged(shape, part.shape)
    source = Source(
        path=path,
        offset=offset,
        layout=layout,
        channel=int(channel[1]) - 1 if channel else 0,
        copy=copy,
    )
    where = f"page {number} of {max(pages, number)}" if page else ""
    return Image(bands=bands(source), route=_route(layout, where, source.channel))


def _route(layout: Layout, where: str, channel: int) -> str:
    """Say how the page is decoded, from its tags."""
    several = layout.samples > len(layout.wanted(0)) and layout.colour != "channels"
    colour: str = layout.colour
    if colour in ("palette", "CMYK", "YCbCr"):
        colour += " to RGB"
    elif colour == "channels":
        colour = f"channel {channel + 1} of {layout.samples}"
    decoded = ", ".join(filter(None, ["tifffile", where, layout.compression, colour]))
    return route(
        decoded,
        "white is zero, inverted" if layout.inverted else "",
        "extra samples left out" if several else "",
        ALPHA_REMARK if layout.alpha else "",
        orientation_remark(layout.orientation),
    )


READERS: tuple[Reader, ...] = (
    Reader(name="TIFF", recognises=_recognises, parts=_parts, read=_read),
)
