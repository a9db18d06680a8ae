"""Pixels of one TIFF page, a band of whole strips or tiles at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from tifffile import TiffPage

from tasks.readers.base import Array, Refused
from tasks.readers.damage import refusing_damage
from tasks.readers.pixels import BAND_ROWS, composed, in_image_class, oriented, rgb_of_cmyk
from tasks.readers.tiff_layout import Layout, open_tiff, page_at

Block = tuple[slice, slice, Array | None]
"""Rows and columns of a band, and their (y, x, sample) samples, None where sparse."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where one image lies."""

    path: Path
    offset: int
    """Place of the page's directory."""
    layout: Layout
    channel: int
    copy: int
    """How many images of the same size lie between the one of the directory and this one."""


def band_rows(layout: Layout) -> int:
    """Rows of a band: whole segments, and no less than is worth the while."""
    if layout.orientation != 1:
        return layout.height
    if layout.rows_readable:
        return BAND_ROWS
    return layout.segment[0] * math.ceil(BAND_ROWS / layout.segment[0])


def band_pixels(layout: Layout) -> int:
    """Pixels that decoding the largest band holds, more than 4 samples counted as more pixels."""
    rows, columns = (1, layout.width) if layout.rows_readable else layout.segment
    height = math.ceil(min(band_rows(layout), layout.height) / rows) * rows
    width = math.ceil(layout.width / columns) * columns
    return height * width * math.ceil(layout.samples / 4)


def bands(source: Source) -> Iterator[Array]:
    """Decode the image from top to bottom.

    Yields
    ------
    (y, x) or (y, x, 3) array

    Raises
    ------
    Refused
        "corrupt" where a segment is missing, or decodes to less than its full size.
    """
    layout = source.layout
    with refusing_damage("tifffile"):
        file = open_tiff(source.path)
    try:
        with refusing_damage("tifffile"):
            page = page_at(file, source.offset)
        for top in range(0, layout.height, band_rows(layout)):
            with refusing_damage("tifffile"):
                samples = _samples(page, source, top)
                band = oriented(_image(samples, layout, page), layout.orientation)
            yield band
    finally:
        file.close()


def _samples(page: TiffPage, source: Source, top: int) -> Array:
    """(y, x, sample) samples of a band, as they are stored."""
    layout = source.layout
    bottom = min(top + band_rows(layout), layout.height)
    wanted = layout.wanted(source.channel)
    samples = np.empty((bottom - top, layout.width, len(wanted)), dtype=layout.dtype)
    together = slice(wanted[0], wanted[-1] + 1)
    planes = [(plane, slice(0, 1)) for plane in wanted] if layout.separate else [(0, together)]
    blocks = _raw_blocks if layout.rows_readable else _decoded_blocks
    for position, (plane, picked) in enumerate(planes):
        band = samples[..., position : position + picked.stop - picked.start]
        for rows, columns, block in blocks(page, source, plane, top, bottom):
            band[rows, columns] = page.nodata if block is None else block[..., picked]
    return samples


def _raw_blocks(
    page: TiffPage, source: Source, plane: int, top: int, bottom: int
) -> Iterator[Block]:
    """Rows of uncompressed strips, wherever the band cuts them."""
    layout = source.layout
    strip_rows = layout.segment[0]
    samples = 1 if layout.separate else layout.samples
    row_size = layout.width * samples * layout.dtype.itemsize
    behind = source.copy * layout.height * row_size * (layout.samples // samples)
    stored = layout.dtype.newbyteorder(page.parent.byteorder)
    row = top
    while row < bottom:
        strip, above = divmod(row, strip_rows)
        stop = min(bottom, (strip + 1) * strip_rows)
        offset, size = _place(page, plane * math.ceil(layout.height / strip_rows) + strip)
        rows = slice(row - top, stop - top)
        if not size:
            yield rows, slice(None), None
        else:
            if size < (above + stop - row) * row_size:
                raise Refused("corrupt", f"the file is damaged: its strip {strip} is too short")
            start = offset + behind + above * row_size
            data = _bytes(page, start, (stop - row) * row_size)
            block = np.frombuffer(data, stored).reshape(stop - row, layout.width, samples)
            yield rows, slice(None), block
        row = stop


def _decoded_blocks(
    page: TiffPage, source: Source, plane: int, top: int, bottom: int
) -> Iterator[Block]:
    """Decode strips or tiles, each once, since bands end where they end."""
    layout = source.layout
    height, width = layout.segment
    across, down = math.ceil(layout.width / width), math.ceil(layout.height / height)
    for segment_row in range(top // height, math.ceil(bottom / height)):
        first = segment_row * height
        rows = slice(first - top, min(first + height, bottom) - top)
        for segment_column in range(across):
            left = segment_column * width
            columns = slice(left, min(left + width, layout.width))
            index = (plane * down + segment_row) * across + segment_column
            block = _decoded(page, index)
            if block is not None:
                extent = (rows.stop - rows.start, columns.stop - columns.start)
                if block.shape[0] < extent[0] or block.shape[1] < extent[1]:
                    raise Refused("corrupt", f"the file is damaged: segment {index} is too short")
                block = block[: extent[0], : extent[1]]
            yield rows, columns, block


def _decoded(page: TiffPage, index: int) -> Array | None:
    """(y, x, sample) samples of one segment, None for a sparse one."""
    offset, size = _place(page, index)
    if not size:
        return None
    data = _bytes(page, offset, size)
    tables = {}
    if page.compression == 7:
        # The JPEG decoder invents the rest of a segment that is cut short.
        if b"\xff\xd9" not in data[-64:]:
            raise Refused("corrupt", f"the file is damaged: JPEG segment {index} has no end")
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
    segment, _, _ = page.decode(data, index, **tables)
    return None if segment is None else segment[0]


def _place(page: TiffPage, index: int) -> tuple[int, int]:
    """Offset and size of a segment, both zero for a sparse one."""
    if index >= min(len(page.dataoffsets), len(page.databytecounts)):
        raise Refused("corrupt", f"the file is damaged: it lists no segment {index}")
    offset, size = int(page.dataoffsets[index]), int(page.databytecounts[index])
    return (offset, size) if offset and size else (0, 0)


def _bytes(page: TiffPage, offset: int, size: int) -> bytes:
    """Read stored bytes, all of them."""
    stream = page.parent.filehandle
    if offset < 0 or size < 0 or offset + size > stream.size:
        raise Refused(
            "corrupt",
            f"the file is cut short: pixels in bytes {offset} to {offset + size}, "
            f"of {stream.size} bytes",
        )
    stream.seek(offset)
    data: bytes = stream.read(size)
    return data


def _image(samples: Array, layout: Layout, page: TiffPage) -> Array:
    """Gray or RGB image of a band's samples."""
    if layout.colour == "palette":
        table = np.asarray(page.colormap)
        table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
        return np.ascontiguousarray(table.T[samples[..., 0]])
    samples = in_image_class(samples)
    white = (1 << layout.bits) - 1
    if layout.bits in (2, 4):
        samples = samples * np.uint8(255 // white)
    if layout.inverted:
        samples[..., 0] = (255 if layout.bits < 8 else white) - samples[..., 0]
    if layout.colour == "CMYK":
        return rgb_of_cmyk(samples)
    if layout.colour == "YCbCr":
        size = (samples.shape[1], samples.shape[0])
        return np.asarray(PIL.Image.frombytes("YCbCr", size, samples.tobytes()).convert("RGB"))
    return composed(samples, associated=layout.alpha == "associated")
