"""NetCDF and HDF5 through xarray: one signal a variable of one axis, or a row of one of two.

Scale, offset, fill value and times are decoded; coordinates give the positions. HDF5 files that
know no dimensions are read as well, groups and all, but no file may lead into another one.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tasks.readers.axes import clean
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

_HDF5 = b"\x89HDF\r\n\x1a\n"
_KEPT = 1 << 23
"""Variables of fewer values are loaded whole, and kept for their next row."""


def _is_netcdf3(head: bytes, _path: Path) -> bool:
    return head[:4] in (b"CDF\x01", b"CDF\x02", b"CDF\x05")


def _is_hdf5(head: bytes, _path: Path) -> bool:
    """Tell the signature: at the start or, after a block of the user's own, at a power of two."""
    return any(head[start : start + 8] == _HDF5 for start in (0, 512, 1024, 2048))


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A file as it stands, so that a changed one is not taken for it."""

    path: Path
    netcdf3: bool
    stamp: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Group:
    source: _Source
    name: str
    unread: tuple[str, ...]
    """Variables that xarray shall not look at."""


def _parts(path: Path, limits: Limits) -> list[Part]:
    with refusing("HDF5 or NetCDF"):
        try:
            return collection_parts(_collection(_source(path)), limits)
        finally:
            _SHELF.clear()


def _read(path: Path, part: Part) -> Signal:
    with refusing("HDF5 or NetCDF"):
        collection = _collection(_source(path))
        signal = collection_signal(collection, part)
        if part.name == collection.last:
            _SHELF.clear()
        return signal


def _source(path: Path) -> _Source:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"CDF\x05":
        raise Refused("unsupported", "NetCDF of 64-bit data (CDF-5): convert it to NetCDF-4")
    status = path.stat()
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
    source = _Source(path=path, netcdf3=magic[:3] == b"CDF", stamp=stamp)
    # HDF5 takes a file that changed for the one it still holds open.
    _SHELF.clear(unless=source)
    return source


# One signal is asked for after the other: the last file's headers are kept for the next one.
@lru_cache(maxsize=1)
def _collection(source: _Source) -> Collection:
    groups = {"": []} if source.netcdf3 else _groups(source.path)
    variables: list[Variable] = []
    ignored = sum(map(len, groups.values()))
    for name, unread in groups.items():
        group = _Group(source=source, name=name, unread=tuple(unread))
        dataset = _SHELF.get(group)
        found = [_variable(group, dataset, variable) for variable in _ordered(dataset)]
        variables += [variable for variable in found if variable is not None]
        ignored += found.count(None)
    route = "NetCDF-3" if source.netcdf3 else "HDF5"
    variables += _inherited(variables)
    return Collection(route=route, prefix="", variables=tuple(variables), ignored=ignored)


def _groups(path: Path) -> dict[str, list[str]]:
    """Each group of an HDF5 file, parents first, and the names in it that hold no numbers.

    Raises
    ------
    Refused
        "unsupported" where the file leads into other files.
    """
    groups: dict[str, list[str]] = {"": []}
    unread: list[str] = []

    # What these return but None ends the walk; what they raise would be lost on the way.
    def look(name: str, link: object) -> str | None:
        if isinstance(link, h5py.SoftLink):
            unread.append(name)
        return name if isinstance(link, h5py.ExternalLink) else None

    def visit(name: str, node: h5py.HLObject) -> str | None:
        if isinstance(node, h5py.Group):
            groups[name] = []
        elif isinstance(node, h5py.Dataset):
            if node.is_virtual or node.external:
                return name
            if node.dtype.kind not in "iuf" or h5py.check_enum_dtype(node.dtype) is not None:
                unread.append(name)
        return None

    with h5py.File(path, "r", locking=False) as file:
        outside = file.visititems_links(look) or file.visititems(visit)
    if outside is not None:
        raise Refused("unsupported", f"'{clean(outside)}' lies in another file: copy it in")
    for name in unread:
        group, _, leaf = name.rpartition("/")
        groups.get(group, []).append(leaf)
    return groups


class _Shelf:
    """The group read last, kept open for its next variable: to open it is what takes long."""

    def __init__(self) -> None:
        self._group: _Group | None = None
        self._dataset = xr.Dataset()

    def get(self, group: _Group) -> xr.Dataset:
        if group != self._group:
            self.clear()
            self._dataset = _open(group)
            self._group = group
        return self._dataset

    def clear(self, *, unless: _Source | None = None) -> None:
        if self._group is not None and self._group.source != unless:
            self._group = None
            self._dataset.close()


_SHELF = _Shelf()


def _open(group: _Group) -> xr.Dataset:
    options: dict[str, Any] = {"engine": "scipy"}
    if not group.source.netcdf3:
        options = {"engine": "h5netcdf", "group": group.name or None, "phony_dims": "access"}
        options |= {"drop_variables": group.unread, "driver_kwds": {"locking": False}}
    options |= {"decode_timedelta": False, "cache": False}
    path, times = group.source.path, xr.coders.CFDatetimeCoder(time_unit="us")
    try:
        return xr.open_dataset(path, decode_times=times, **options)
    except Exception:
        # Calendars that no clock follows stay the numbers they are, in the units told.
        return xr.open_dataset(path, decode_times=False, **options)


def _ordered(dataset: xr.Dataset) -> list[Hashable]:
    """Coordinates of their own dimension, other coordinates, then data."""
    coordinates, sizes = dataset.coords, dataset.sizes
    return sorted(dataset.variables, key=lambda name: (name not in sizes, name not in coordinates))


def _variable(group: _Group, dataset: xr.Dataset, name: Hashable) -> Variable | None:
    """Describe a variable from its header; None for one that is neither signal nor positions."""
    variable = dataset.variables[name]
    kind, shape, coordinate = kind_of(variable.dtype), variable.shape, name in dataset.coords
    if kind == "other" or len(shape) not in (1, 2) or (coordinate and len(shape) == 2):
        return None
    count, axis = math.prod(shape), 0 if shape[1:] == (1,) else -1
    return Variable(
        label=f"{group.name}/{name}".strip("/"),
        kind=kind,
        shape=shape,
        along=(group.name, variable.dims[axis]),
        load=lambda row: _load(group, str(name), row, keep=count <= _KEPT),
        held=count if count <= _KEPT else shape[axis],
        units=clean(str(variable.attrs.get("units", ""))),
        coordinate=coordinate,
    )


def _inherited(variables: list[Variable]) -> list[Variable]:
    """Lay variables along the coordinates of their group's parents, where it has none itself."""
    known = {variable.along: variable for variable in reversed(variables) if variable.coordinate}
    missing = {v.along: v for v in variables if v.kind == "number" and v.along not in known}
    found = []
    for along, variable in missing.items():
        group, dimension = along
        while group:
            group = group.rpartition("/")[0]
            above = known.get((group, dimension))
            if above is not None and above.shape == (variable.layout[1],):
                found.append(replace(above, along=along))
                break
    return found


def _load(group: _Group, name: str, row: int, *, keep: bool) -> NDArray[np.float64]:
    if keep:
        whole = _whole(group, name)
        return as_float(whole[series_index(whole.shape, row)])
    variable = _SHELF.get(group).variables[name]
    return as_float(variable[series_index(variable.shape, row)].to_numpy())


# Two: the rows of a variable, and their positions.
@lru_cache(maxsize=2)
def _whole(group: _Group, name: str) -> Array:
    return _SHELF.get(group).variables[name].to_numpy()


READERS: tuple[Reader, ...] = (
    Reader(name="NetCDF-3", recognises=_is_netcdf3, parts=_parts, read=_read),
    Reader(name="HDF5", recognises=_is_hdf5, parts=_parts, read=_read),
)
