"""NumPy files: an array of one axis is a signal, of two a signal a row, a structured one a table.

The rows of a two-dimensional array are its series, counted from 0 as NumPy does; a single column
counts as one signal. Pickled objects are never read.
"""

import math
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.readers.base import Array, Limits, Part, Reader, Refused, Signal
from tasks.readers.collection import (
    Collection,
    Variable,
    as_float,
    collection_parts,
    collection_signal,
    kind_of,
    series_index,
)
from tasks.readers.guard import refusing
from tasks.readers.table import Table, table_parts, table_signal

Stamp = tuple[int, ...]
_LOCKED = 1
"""The bit of a ZIP member's flags that says it is encrypted."""
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def _is_npy(head: bytes, _path: Path) -> bool:
    return head.startswith(b"\x93NUMPY")


def _is_npz(head: bytes, path: Path) -> bool:
    """Tell an archive that begins with an array; an empty one by its name."""
    if head.startswith(b"PK\x03\x04"):
        length = int.from_bytes(head[26:28], "little")
        return head[30 : 30 + length].endswith(b".npy") or path.suffix.lower() == ".npz"
    return head.startswith(b"PK\x05\x06") and path.suffix.lower() == ".npz"


def _npy_parts(path: Path, limits: Limits) -> list[Part]:
    with refusing("NPY"):
        array = _mapped(path)
        if array.dtype.names is not None:
            return table_parts(_structured(array), limits)
        return collection_parts(_single(array), limits)


def _npy_read(path: Path, part: Part) -> Signal:
    with refusing("NPY"):
        array = _mapped(path)
        if array.dtype.names is not None:
            return table_signal(_structured(array), part)
        return collection_signal(_single(array), part)


def _mapped(path: Path) -> Array:
    """Map an array into memory, so that one row is read without the others.

    Raises
    ------
    Refused
        Where it is not numeric, of no or too many axes, or not as long as its header says.
    """
    with path.open("rb") as file:
        shape, dtype = _npy_header(file)
        beyond = path.stat().st_size - file.tell() - math.prod(shape) * dtype.itemsize
    _check_class(dtype, shape)
    if beyond:
        words = f"{-beyond} bytes are missing" if beyond < 0 else f"{beyond} bytes lie beyond it"
        raise Refused("corrupt", f"the array is not as long as its header says: {words}")
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _npy_header(file: BinaryIO | IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise Refused(
            "unsupported", f"an array in version {version} of its format; 1.0, 2.0 are read"
        )
    shape, _, dtype = _HEADERS[version](file)
    if any(extent < 0 for extent in shape):
        raise Refused("corrupt", f"an array of shape {shape}")
    return shape, dtype


def _check_class(dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    axes = len(shape)
    if dtype.hasobject:
        raise Refused("unsupported", "Python objects are pickled, and pickles are never read")
    if dtype.kind == "c":
        raise Refused("unsupported", "complex values: save their magnitude, or real and imaginary")
    if dtype.names is None and kind_of(dtype) != "number":
        raise Refused("unsupported", f"values of class {dtype}; integers and floats are read")
    if axes not in ((1, 2) if dtype.names is None else (1,)):
        raise Refused(
            "unsupported", f"an array of {axes} axes; (sample) and (series, sample) are read"
        )


def _single(array: Array) -> Collection:
    variable = Variable(
        label="",
        kind=kind_of(array.dtype),
        shape=array.shape,
        along=("", None),
        load=lambda row: as_float(np.asarray(array[series_index(array.shape, row)])),
        held=math.prod(array.shape[-1:]),
    )
    return Collection(route="NPY", prefix="", variables=(variable,))


def _structured(array: Array) -> Table:
    names = array.dtype.names or ()
    return Table(
        route="NPY, structured",
        labels=names,
        kinds=tuple(kind_of(array.dtype[name]) for name in names),
        rows=array.shape[0],
        load=lambda index: as_float(np.asarray(array[names[index]])),
    )


def _npz_parts(path: Path, limits: Limits) -> list[Part]:
    with refusing("NPZ"):
        return collection_parts(_collection(path, _stamp(path)), limits)


def _npz_read(path: Path, part: Part) -> Signal:
    with refusing("NPZ"):
        return collection_signal(_collection(path, _stamp(path)), part)


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


# One signal is asked for after the other: the last archive's headers are kept for the next one.
@lru_cache(maxsize=1)
def _collection(path: Path, stamp: Stamp) -> Collection:
    variables, ignored = [], 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            found = _member_header(archive, info)
            if found is None:
                ignored += 1
            else:
                variables.append(_variable(path, stamp, info.filename, *found))
    return Collection(route="NPZ", prefix="array ", variables=tuple(variables), ignored=ignored)


def _member_header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and class of a member that is read; None for any other.

    Raises
    ------
    Refused
        "corrupt" where the archive promises another number of bytes than the array.
    """
    if not info.filename.endswith(".npy"):
        return None
    if info.flag_bits & _LOCKED:
        raise Refused("unsupported", "the archive has a password: save it without one")
    with archive.open(info) as file:
        shape, dtype = _npy_header(file)
        size = file.tell() + math.prod(shape) * dtype.itemsize
    if kind_of(dtype) == "other" or len(shape) not in (1, 2):
        return None
    if size != info.file_size:
        reason = f"{info.file_size} bytes in the archive, {size} by its own header"
        raise Refused("corrupt", f"array {info.filename}: {reason}")
    return shape, dtype


def _variable(
    path: Path, stamp: Stamp, member: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Variable:
    def load(row: int) -> NDArray[np.float64]:
        return as_float(_member(path, stamp, member)[series_index(shape, row)])

    count = math.prod(shape)
    return Variable(
        label=member.removesuffix(".npy"),
        kind=kind_of(dtype),
        shape=shape,
        along=("", count if 1 in (len(shape), *shape[1:]) else shape[1]),
        load=load,
        held=count,
    )


@lru_cache(maxsize=1)
def _member(path: Path, _stamp: Stamp, member: str) -> Array:
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        array: Array = npy.read_array(file, allow_pickle=False)
        file.read(1)  # the checksum is compared at the end only
    return array


READERS: tuple[Reader, ...] = (
    Reader(name="NPY", recognises=_is_npy, parts=_npy_parts, read=_npy_read),
    Reader(name="NPZ", recognises=_is_npz, parts=_npz_parts, read=_npz_read),
)
