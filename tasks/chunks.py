"""Write and read the store's chunks: whole, checksummed, on disk when a write returns.

A chunk that is missing or damaged is an error, never a fill value.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray
from zarr.abc.store import ByteRequest
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from tasks.errors import StoreFailed
from tasks.output import sync_folder
from tasks.store import EVERY, IMAGE, TILE, Stack, Variable

Array = NDArray[Any]


class DamagedChunk(Exception):
    """A stored chunk is missing or does not match its checksum."""


class DurableStore(LocalStore):
    """A local store whose keys are on disk, name and bytes, when `set` returns."""

    async def set(self, key: str, value: Buffer) -> None:
        """Write one key and sync it."""
        await super().set(key, value)
        await asyncio.to_thread(_sync, Path(self.root) / key)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read one key; a chunk that is not there is an error, never a fill value."""
        value = await super().get(key, prototype, byte_range)
        if value is None and "/c/" in key:
            raise DamagedChunk(f"chunk {key} is missing from {self.root}")
        return value


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def _open(root: Path, path: str, mode: str) -> zarr.Array[Any]:
    array = zarr.open_array(DurableStore(root), path=path, mode=mode)
    return array.with_config({"write_empty_chunks": True})


def ensure(root: Path, stack: Stack, variables: tuple[Variable, ...], slots: int) -> None:
    """Make every variable of a stack, and lengthen all that share its group to `slots`.

    All: xarray opens no group whose variables disagree on a dimension.
    """
    with _failing(root):
        for variable in EVERY:
            if variable.tree == variables[0].tree:
                _lengthen(root, variable, stack, slots)
        for variable in variables:
            if variable is IMAGE and stack.in_place:
                continue
            path = variable.path(stack)
            if not (root / path / "zarr.json").exists():
                _create(_groups(root, variable.tree, stack), path, variable, stack, slots)


def _lengthen(root: Path, variable: Variable, stack: Stack, slots_: int) -> None:
    if slots(root, variable, stack) not in (0, slots_):
        array = _open(root, variable.path(stack), "r+")
        if array.shape[0] < slots_:
            array.resize(variable.shape(stack, slots_))


@contextmanager
def _failing(root: Path, what: str = "the store") -> Iterator[None]:
    """Say which write the system refused."""
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"cannot write {what} in {root}: {error.strerror or error}") from error


def _groups(root: Path, tree: str, stack: Stack) -> zarr.Group:
    """Make a stack's groups from the root down, so that a kill leaves none without its parent."""
    group = zarr.open_group(DurableStore(root), mode="a")
    group.require_group(tree).require_group(stack.name)
    return group


def _create(group: zarr.Group, path: str, variable: Variable, stack: Stack, slots: int) -> None:
    dtype = np.dtype(variable.dtype or stack.dtype)
    group.create_array(
        path,
        shape=variable.shape(stack, slots),
        chunks=variable.chunks(stack),
        dtype=dtype,
        compressors=(ZstdCodec(level=1, checksum=True), Crc32cCodec()),
        fill_value=variable.blanks(dtype),
        dimension_names=variable.dims,
        attributes={
            "units": variable.units,
            "long_name": variable.long_name,
            **({"columns": list(variable.columns)} if variable.columns else {}),
        },
    )


def describe(
    root: Path,
    variables: tuple[Variable, ...],
    stack: Stack,
    provenance: Mapping[str, str | list[str]],
) -> None:
    """Write beside every result what it was made with, `attrs["params"]` among it."""
    with _failing(root):
        for variable in variables:
            path = variable.path(stack)
            if (root / path / "zarr.json").exists():
                array = _open(root, path, "r+")
                if any(array.attrs.get(key) != value for key, value in provenance.items()):
                    array.attrs.update(provenance)


def read(root: Path, variable: Variable, stack: Stack, slots: slice, *inner: slice) -> Array:
    """Read a region, chunks checked.

    Raises
    ------
    DamagedChunk
        When a chunk is missing or fails its checksum.
    """
    path = variable.path(stack)
    try:
        array = _open(root, path, "r")
        return np.asarray(array[(slots, *inner)])
    except DamagedChunk:
        raise
    except FileNotFoundError as error:
        raise DamagedChunk(f"{path} is missing from {root}") from error
    except (RuntimeError, ValueError) as error:
        raise DamagedChunk(f"{path}, slots {slots.start} to {slots.stop}: {error}") from error


def write(
    root: Path, variable: Variable, stack: Stack, slots: slice, values: Array, *inner: slice
) -> None:
    """Write a region made of whole chunks; it is on disk when this returns."""
    path = variable.path(stack)
    if variable.dtype and values.dtype != np.dtype(variable.dtype):
        raise ValueError(f"{path}: {values.dtype}, expected {variable.dtype}")
    with _failing(root, path):
        _open(root, path, "r+")[(slots, *inner)] = values


def update(
    root: Path,
    variable: Variable,
    stack: Stack,
    start: int,
    values: Mapping[int, ArrayLike],
    *,
    shared: bool = False,
    afresh: bool = False,
) -> None:
    """Write some slots of the chunk that begins at `start`, keeping its others unless `afresh`.

    Raises
    ------
    DamagedChunk
        When the others cannot be kept; also, where the chunk is `shared` with results that were
        committed before, when it is missing.
    """
    count = stack.slots_per_chunk
    slots = slice(start, start + count)
    shape = variable.shape(stack, count)
    kept = not afresh and len(values) < count
    if kept and (shared or _chunk_exists(root, variable, stack, start)):
        whole = read(root, variable, stack, slots)
    else:
        dtype = np.dtype(variable.dtype or stack.dtype)
        whole = np.full(shape, variable.blanks(dtype), dtype)
    for slot, value in values.items():
        given = np.asarray(value)
        if given.ndim:
            whole[slot - start] = variable.blanks(whole.dtype)
            whole[slot - start][tuple(slice(n) for n in given.shape)] = given
        else:
            whole[slot - start] = given
    write(root, variable, stack, slots, whole)


def write_tile_rows(
    root: Path, variable: Variable, stack: Stack, slot: int, tile_rows: Iterable[Array]
) -> None:
    """Write a frame larger than a chunk, a row of tiles at a time."""
    height, width = stack.shape
    top = 0
    for rows in tile_rows:
        bottom = min(top + TILE, height)
        whole = np.zeros((1, bottom - top, width), rows.dtype)
        whole[0, : len(rows), : rows.shape[1]] = rows
        write(root, variable, stack, slice(slot, slot + 1), whole, slice(top, bottom))
        top = bottom


def _chunk_exists(root: Path, variable: Variable, stack: Stack, start: int) -> bool:
    first = "/".join(["c", str(start // stack.slots_per_chunk), *("0" for _ in variable.dims[1:])])
    return (root / variable.path(stack) / first).exists()


def drop(root: Path, variables: tuple[Variable, ...], stack: Stack, start: int) -> None:
    """Forget the chunks of one batch, so that it is written anew."""
    for variable in variables:
        folder = root / variable.path(stack) / "c" / str(start // stack.slots_per_chunk)
        if folder.is_dir():
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        elif folder.exists():
            folder.unlink()


def slots(root: Path, variable: Variable, stack: Stack) -> int:
    """Return how many slots a variable has; 0 where it is not there."""
    path = variable.path(stack)
    if not (root / path / "zarr.json").exists():
        return 0
    return int(_open(root, path, "r").shape[0])
