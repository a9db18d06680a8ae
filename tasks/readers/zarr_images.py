"""Zarr arrays (versions 2 and 3) and OME-Zarr images (0.1 to 0.5), read in bands where they lie.

Of an OME-Zarr image, its full-size level is read, one item a plane. Of any other array the last two
axes are an image, or the last three where the last has 3 or 4 samples (RGB, RGB and alpha); leading
axes count images. An array of one axis is a signal. A chunk that is not there holds the fill value,
as Zarr defines. Chunks without a checksum codec cannot tell flipped bits; one that is cut short is
always refused.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tasks.readers.base import Array, Image, Limits, Part, Reader, Refused, Signal
from tasks.readers.damage import refusing_damage
from tasks.readers.pixels import (
    ALPHA_REMARK,
    BAND_ROWS,
    check_expansion,
    check_pixels,
    check_unchanged,
    composed,
    image_class,
    in_image_class,
    route,
)
from tasks.readers.zarr_layout import Node, check_chunk_files, node_of, nodes, stored_bytes

_MARKERS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def _recognises(head: bytes, path: Path) -> bool:
    return not head and path.is_dir() and any((path / marker).is_file() for marker in _MARKERS)


def _parts(path: Path, limits: Limits) -> list[Part]:
    with refusing_damage("Zarr"):
        found = [part for node in nodes(path) for part in _node_parts(path, node, limits)]
    if not found:
        raise Refused("empty", "the Zarr folder holds no array with samples in it")
    return found


def _node_parts(path: Path, node: Node, limits: Limits) -> list[Part]:
    """Items of one array."""
    array = node.array
    if 0 in array.shape or not array.shape:
        return []
    if array.ndim == 1:
        return [_signal_part(node, limits)]
    _check_size(path, node, limits)
    shape = _image_shape(node)
    dtype = image_class(array.dtype)
    return [
        Part(name=name, kind="image", shape=shape, dtype=dtype, in_place=True)
        for name in (_name(node, index) for index in np.ndindex(_leading(node)))
    ]


def _signal_part(node: Node, limits: Limits) -> Part:
    array = node.array
    if array.dtype.kind not in "biuf":
        raise Refused("unsupported", f"its samples are {array.dtype}; numbers are read")
    if array.size > limits.max_samples:
        raise Refused(
            "too-large",
            f"the signal has {array.size} samples, the limit is {limits.max_samples}: "
            "raise it with --max-samples if memory allows",
        )
    return Part(name=_name(node, ()), kind="signal", shape=array.shape, dtype="float64")


def _samples(node: Node) -> int:
    """Count the samples of a pixel; 0 where there is no axis of samples."""
    shape = node.array.shape
    coloured = not node.axes and len(shape) > 2 and shape[-1] in (3, 4)
    return int(shape[-1]) if coloured else 0


def _image_axis(node: Node) -> int:
    """Position of the axis of rows."""
    return int(node.array.ndim) - (3 if _samples(node) else 2)


def _leading(node: Node) -> tuple[int, ...]:
    return tuple(node.array.shape[: _image_axis(node)])


def _image_shape(node: Node) -> tuple[int, int]:
    rows = _image_axis(node)
    height, width = node.array.shape[rows : rows + 2]
    return height, width


def _name(node: Node, index: tuple[int, ...]) -> str:
    """Name an item by its array, where there are several, and its place: "t 0, c 1, z 2"."""
    names = [node.name] if node.name else []
    if node.axes:
        names += [f"{axis} {place}" for axis, place in zip(node.axes, index, strict=False)]
    elif index:
        names.append("frame " + " ".join(map(str, index)))
    return ", ".join(names)


def _band_rows(node: Node) -> int:
    """Rows of a band: whole chunks, and no less than is worth the while."""
    rows = int(node.array.chunks[_image_axis(node)])
    return rows * math.ceil(BAND_ROWS / rows)


def _check_size(path: Path, node: Node, limits: Limits) -> None:
    """Refuse an image of which no band, or no chunk, keeps to the limit."""
    height, width = _image_shape(node)
    samples = _samples(node) or 1
    check_pixels(math.prod(node.array.chunks) // samples, limits, "one chunk of the array")
    band = min(height, _band_rows(node)) * width
    check_pixels(band, limits, "the image" if band == height * width else "one band of the image")
    if height * width > limits.max_pixels:
        decoded = math.prod(node.array.shape) * node.array.dtype.itemsize
        check_expansion(height * width, decoded, stored_bytes(path / node.array.path), limits)


def _read(path: Path, part: Part) -> Image | Signal:
    with refusing_damage("Zarr"):
        node = node_of(path, part.name)
        how = f"zarr, version {node.array.metadata.zarr_format}"
        if part.kind == "signal":
            check_unchanged(node.array.shape, part.shape)
            check_chunk_files(path, node, (slice(None),))
            values = np.asarray(node.array[:], dtype=np.float64)
            return Signal(values=values, x=None, route=how)
    index = _index(node, part)
    check_unchanged(_image_shape(node), part.shape)
    samples = _samples(node)
    colour = "RGB" if samples else "gray"
    alpha = ALPHA_REMARK if samples == 4 else ""
    return Image(bands=_bands(path, node, index), route=route(f"{how}, {colour}", alpha))


def _index(node: Node, part: Part) -> tuple[int, ...]:
    """Place along the leading axes that a part's name stands for."""
    leading = _leading(node)
    numbers = re.findall(r"\d+(?=[ ,]|$)", part.name.removeprefix(node.name))
    index = tuple(map(int, numbers))
    within = len(index) == len(leading) and all(map(int.__lt__, index, leading))
    if not within or _name(node, index) != part.name:
        raise Refused("changed", f"the Zarr folder holds no {part.name or 'single image'} any more")
    return index


def _bands(path: Path, node: Node, index: tuple[int, ...]) -> Iterator[Array]:
    """Decode the image from top to bottom, a band of whole chunks at a time."""
    height, _ = _image_shape(node)
    for top in range(0, height, _band_rows(node)):
        rows = slice(top, min(top + _band_rows(node), height))
        with refusing_damage("Zarr"):
            check_chunk_files(path, node, (*index, rows))
            array: Any = node.array
            band = in_image_class(np.asarray(array[(*index, rows)]))
        yield composed(band) if _samples(node) else band


READERS: tuple[Reader, ...] = (
    Reader(name="Zarr", recognises=_recognises, parts=_parts, read=_read),
)
