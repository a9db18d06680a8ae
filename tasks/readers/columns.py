"""Parquet: one signal a numeric column; only the columns asked for are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.readers.base import Limits, Part, Reader, Refused, Signal
from tasks.readers.guard import refusing
from tasks.readers.table import ColumnKind, Table, table_parts, table_signal

_INDEX = "__index_level_"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _recognises(head: bytes, _path: Path) -> bool:
    return head[:4] == b"PAR1"


def _parts(path: Path, limits: Limits) -> list[Part]:
    with _opened(path) as table:
        return table_parts(table, limits)


def _read(path: Path, part: Part) -> Signal:
    with _opened(path) as table:
        return table_signal(table, part)


@contextmanager
def _opened(path: Path) -> Iterator[Table]:
    # Arrow takes no path that is not text; a stream has none.
    with (
        refusing("Parquet"),
        path.open("rb") as stream,
        pq.ParquetFile(stream, page_checksum_verification=True) as file,
    ):
        schema = file.schema_arrow
        yield Table(
            route="Parquet",
            labels=tuple("index" if name.startswith(_INDEX) else name for name in schema.names),
            kinds=tuple(map(_kind, schema.types)),
            rows=file.metadata.num_rows,
            load=lambda index: _load(file, index),
        )


def _kind(of: pa.DataType) -> ColumnKind:
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return "time"
    numeric = pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of)
    return "number" if numeric else "other"


def _load(file: pq.ParquetFile, index: int) -> NDArray[np.float64]:
    names = file.schema_arrow.names
    table = file.read(columns=[names[index]], use_threads=False)
    # Two columns may bear one name, and a name with a dot may also lead into a nested one.
    same = [i for i, name in enumerate(table.column_names) if name == names[index]]
    column = table.column(same[names[:index].count(names[index])])
    if len(column) != file.metadata.num_rows:
        reason = f"{file.metadata.num_rows} rows promised, {len(column)} present"
        raise Refused("corrupt", f"column {names[index]}: {reason}")
    return _as_float(column)


def _as_float(column: pa.ChunkedArray) -> NDArray[np.float64]:
    of, scale = column.type, 1.0
    if pa.types.is_date(of):
        column, of = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if pa.types.is_timestamp(of):
        column, scale = column.cast(pa.int64()), _PER_SECOND[of.unit]
    numbers = column.cast(pa.float64(), safe=False).fill_null(np.nan)
    return np.asarray(numbers.to_numpy(), dtype=np.float64) / scale


READERS: tuple[Reader, ...] = (
    Reader(name="Parquet", recognises=_recognises, parts=_parts, read=_read),
)
