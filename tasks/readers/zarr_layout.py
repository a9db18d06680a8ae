"""Which arrays a Zarr folder holds, whether their codecs are harmless and their chunks whole.

References: Zarr specifications 2 and 3; OME-NGFF 0.4 and 0.5 (multiscales metadata).
"""

import itertools
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore

from tasks.readers.base import Refused
from tasks.readers.pixels import CLASSES

_COMPRESSORS = {"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"}
_CHECKSUMS = {"adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"}
_FILTERS = {"astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize", "shuffle"}
_LAYOUTS = {"bytes", "sharding_indexed", "transpose"}
_CODECS = _COMPRESSORS | _CHECKSUMS | _FILTERS | _LAYOUTS
"""Codecs that only decode. Any other may do more: "pickle" runs what the chunk tells it to."""

_OLD_AXES = ("t", "c", "z", "y", "x")
"""Axes of OME-Zarr before 0.3, which did not name them."""

_DEEPEST = 4
"""Levels of groups to enter; a plate of wells of fields has three."""


@dataclass(frozen=True)
class Node:
    """One array to read."""

    name: str
    """Empty for the only one, else "array raw/0" or "image A/1/0"."""
    array: "zarr.Array[Any]"
    axes: tuple[str, ...] = ()
    """Names of the leading axes of an OME-Zarr image; empty for a plain array."""


def nodes(path: Path) -> list[Node]:
    """List the full-size images of a Zarr folder or, where there are none, its arrays.

    Raises
    ------
    Refused
        "unsupported" where codecs or axes are of a kind that is not read.
    """
    root = _root(path)
    if isinstance(root, zarr.Array):
        found = [Node("", root)]
    else:
        found = list(_below(root, _DEEPEST))
        found = [node for node in found if node.name.startswith("image")] or found
        found = [node for node in found if _readable(node)] or found
    if len(found) == 1:
        found = [Node("", found[0].array, found[0].axes)]
    for node in found:
        _check_name(node.name)
        _check_codecs(node.array)
    return found


def _check_name(name: str) -> None:
    """Refuse an array that no table could name."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise Refused("unsupported", f"'{shown}' is no name in UTF-8: rename it") from error


def node_of(path: Path, part_name: str) -> Node:
    """Open the array of one item without looking at the others, where its name says which."""
    named = re.match(r"(array|image) (.+?)(?:, \w+(?: \d+)+)*$", part_name)
    if not named:
        found = nodes(path)
    else:
        member = _root(path)[named[2]]
        name = f"{named[1]} {named[2]}"
        plain = isinstance(member, zarr.Array)
        found = [Node(name, member)] if plain else list(_image(member, name))
    if len(found) != 1:
        raise Refused("changed", f"the Zarr folder holds {len(found)} arrays now, not one")
    _check_codecs(found[0].array)
    return found[0]


def _root(path: Path) -> Any:  # noqa: ANN401  (an array or a group)
    path.stat()
    # A plain string would be taken for a chain of file systems where "::" is in it.
    return zarr.open(LocalStore(path, read_only=True), mode="r", use_consolidated=False)


def _below(group: "zarr.Group", depth: int) -> Iterator[Node]:
    """Images of a group, or else its arrays and what its groups hold, in natural order."""
    images = list(_image(group, f"image {group.path}"))
    yield from images
    if images or not depth:
        return
    for name, member in sorted(group.members(), key=lambda pair: _natural(pair[0])):
        if isinstance(member, zarr.Array):
            yield Node(f"array {member.path}", member)
        elif name != "labels":
            yield from _below(member, depth - 1)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(digits or 0), word) for word, digits in re.findall(r"(\D*)(\d*)", name)]


def _image(group: "zarr.Group", name: str) -> Iterator[Node]:
    """Yield the largest level of a group's OME-Zarr image, if it is one."""
    attributes: Any = group.attrs.asdict()
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        return
    array: Any = group[scales[0]["datasets"][0]["path"]]
    named = scales[0].get("axes", _OLD_AXES[-array.ndim :])
    axes = tuple(axis if isinstance(axis, str) else str(axis["name"]) for axis in named)
    if len(axes) != array.ndim or tuple(axis.lower() for axis in axes[-2:]) != ("y", "x"):
        raise Refused("unsupported", f"its axes are {axes}: the last two must be y and x")
    yield Node(name, array, axes[:-2])


def _readable(node: Node) -> bool:
    """Tell an array of numbers from text, labels and the like that stand beside it."""
    dtype = node.array.dtype
    signal = node.array.ndim == 1 and dtype.kind in "biuf"
    return signal or (node.array.ndim > 1 and dtype.name in (*CLASSES, "bool", "float16"))


def _codecs(array: "zarr.Array[Any]") -> list[dict[str, Any]]:
    """List the configurations of the codecs, in the order in which they encode."""
    metadata: dict[str, Any] = array.metadata.to_dict()
    if metadata["zarr_format"] == 3:
        return list(metadata["codecs"])
    return [*(metadata.get("filters") or ()), *filter(None, [metadata.get("compressor")])]


def _codec_name(codec: dict[str, Any]) -> str:
    return str(codec.get("id", codec.get("name"))).removeprefix("numcodecs.")


def _check_codecs(array: "zarr.Array[Any]") -> None:
    """Refuse codecs that are not known to be harmless, inside shards too."""
    codecs = _codecs(array)
    while codecs:
        codec = codecs.pop()
        if _codec_name(codec) not in _CODECS:
            raise Refused(
                "unsupported",
                f"its codec {_codec_name(codec)!r} is not read: save it with zstd or gzip",
            )
        inner = codec.get("configuration", {})
        codecs += [*inner.get("codecs", ()), *inner.get("index_codecs", ())]


def check_chunk_files(path: Path, node: Node, selection: tuple[int | slice, ...]) -> None:
    """Refuse chunks that are cut short where their codec would not tell.

    An empty shard reads as if it were not there, and Blosc reads on behind a chunk's end.
    """
    array = node.array
    spans = []
    for axis, (size, length) in enumerate(
        zip(array.shards or array.chunks, array.shape, strict=True)
    ):
        part = selection[axis] if axis < len(selection) else slice(None)
        part = slice(part, part + 1) if isinstance(part, int) else part
        start, stop, _ = part.indices(length)
        spans.append(range(start // size, math.ceil(stop / size)))
    codecs = _codecs(array)
    blosc = bool(codecs) and _codec_name(codecs[-1]) == "blosc"
    for place in itertools.product(*spans):
        chunk = path / array.path / array.metadata.encode_chunk_key(place)
        if chunk.exists() and not _whole(chunk, blosc):
            raise Refused("corrupt", f"its chunk {chunk.relative_to(path)} is cut short")


def _whole(chunk: Path, blosc: bool) -> bool:
    """Tell whether a chunk is a file as long as it must be; Blosc says how long in its header."""
    if not chunk.is_file():
        return False
    size = chunk.stat().st_size
    if not blosc:
        return size > 0
    with chunk.open("rb") as stream:
        header = stream.read(16)
    return size >= max(16, int.from_bytes(header[12:], "little"))


def stored_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(
        Path(root, name).lstat().st_size for root, _, names in os.walk(folder) for name in names
    )
