"""Delimited text: CSV, TSV and their relatives, one signal a numeric column.

The delimiter (comma, semicolon, tab or runs of blanks), a decimal comma, the header and comment
lines at the top are found out from the first records. Arrow reads the numbers; where it
disagrees, Python's own slower walk decides, and names the line. Blank cells, NA and null are NaN.
A line without a character is no record; a column that is mostly words is left out.
"""

import codecs
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from tasks.readers.axes import MAX_PARTS
from tasks.readers.base import Limits, Part, Reader, Refused, Signal
from tasks.readers.by_line import Columns, read_by_line
from tasks.readers.cells import BLANK_WORDS, as_time, decode, decode_start
from tasks.readers.dialect import (
    SAMPLE_CHARACTERS,
    Dialect,
    flatten,
    sniff,
)
from tasks.readers.table import ColumnKind, Table, table_parts, table_signal

HEAD = 4096
_NULLS = [space + word for word in BLANK_WORDS for space in ("", " ")]
_NULLS += [word.upper() for word in _NULLS if word.strip()]
_BLOCK = 1 << 26
_LONGEST_NUMBER = 32


def _recognises(head: bytes, path: Path) -> bool:
    """Text by its first bytes; under a name that promises no table, one with numbers in it."""
    suffix = path.suffix.lower()
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if suffix not in (".csv", ".tsv", ".txt", ".dat") or (b"\0" in head and not marked):
        return False
    return suffix in (".csv", ".tsv") or _is_table(head) or _is_table(_longer(head, path))


def _longer(head: bytes, path: Path) -> bytes:
    """Read on, where the header alone may have filled the head."""
    if len(head) < HEAD or not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(SAMPLE_CHARACTERS)


def _is_table(head: bytes) -> bool:
    dialect = sniff(decode_start(head))
    return dialect is not None and dialect.typical


def _parts(path: Path, limits: Limits) -> list[Part]:
    _check_size(path, limits)
    table = _table(path)
    return table_parts(table, limits, held=table.rows * table.kinds.count("number"))


def _read(path: Path, part: Part) -> Signal:
    return table_signal(_table(path), part)


def _check_size(path: Path, limits: Limits) -> None:
    """Refuse by the size of the file, before it is read; a value takes two bytes at least."""
    size = path.stat().st_size
    if size > _LONGEST_NUMBER * limits.max_samples:
        reason = f"{size} bytes of text, more than {limits.max_samples} numbers can fill"
        raise Refused("too-large", f"{reason}: raise the limit max_samples, or split the file")
    if size // 2 <= limits.max_samples:
        return
    with path.open("rb") as file:
        dialect = sniff(decode_start(file.read(SAMPLE_CHARACTERS)))
        width = 0 if dialect is None else dialect.kinds.count("number")
        file.seek(0)
        blocks = iter(lambda: file.read(1 << 20), b"")
        lines = sum(max(block.count(b"\n"), block.count(b"\r")) for block in blocks)
    # Twice, for the comments and blank lines that count here; the exact check comes after.
    if lines * width > 2 * limits.max_samples:
        reason = f"{lines} lines of {width} numbers, {limits.max_samples} numbers are allowed"
        raise Refused("too-large", f"{reason}: raise the limit max_samples, or split the file")


def _check_width(dialect: Dialect) -> None:
    """Refuse too many columns before they are read, which takes minutes for millions."""
    columns = dialect.kinds.count("number")
    if columns > MAX_PARTS:
        reason = f"{columns} columns of numbers in one file, {MAX_PARTS} are allowed"
        raise Refused("too-large", f"{reason}: split it, or make each signal a column")


def _table(path: Path) -> Table:
    status = path.stat()
    return _load(path, (status.st_ino, status.st_size, status.st_mtime_ns))


# One signal is asked for after the other: the last file's table is kept for the next one.
@lru_cache(maxsize=1)
def _load(path: Path, _stamp: tuple[int, ...]) -> Table:
    text, encoding = decode(path.read_bytes())
    dialect = sniff(text)
    if dialect is None:
        raise Refused("empty", "no line of data")
    _check_width(dialect)
    try:
        columns = _by_arrow(text, dialect)
    except (pa.ArrowInvalid, ValueError):
        columns = read_by_line(text, dialect)
    kinds = tuple(_final_kind(i, dialect, columns) for i in range(len(dialect.kinds)))
    return Table(
        route=_route(dialect, encoding),
        labels=dialect.labels,
        kinds=kinds,
        rows=next((column.size for column in columns.values()), 0),
        load=lambda index: columns[index].copy(),
        named=dialect.named,
    )


def _final_kind(index: int, dialect: Dialect, columns: Columns) -> ColumnKind:
    """Leave out a column found to be words, or nothing: delimiters at the ends of the lines."""
    if index not in columns:
        return "other"
    last = index == len(dialect.kinds) - 1 > 0 and not dialect.labels[index].strip()
    rows = columns[index].size
    nothing = last and rows > 0 and bool(np.isnan(columns[index]).all())
    return "other" if nothing else dialect.kinds[index]


def _route(dialect: Dialect, encoding: str) -> str:
    spelled = {"\t": "tab", " ": "blanks"}.get(dialect.delimiter, f"'{dialect.delimiter}'")
    words = ["CSV", spelled if len(dialect.kinds) > 1 else "one column"]
    words += ["decimal comma"] if dialect.decimal == "," else []
    words += ["header"] if dialect.named else []
    words += [encoding] if encoding != "UTF-8" else []
    return ", ".join(words)


def _by_arrow(text: str, dialect: Dialect) -> Columns:
    """Read with Arrow, which is fast and stops at anything odd.

    Raises
    ------
    pyarrow.ArrowInvalid, ValueError
        At a ragged record, or at a cell that is not what its column holds.
    """
    types = {"number": pa.float64(), "time": pa.string()}
    names = {str(i): types[kind] for i, kind in enumerate(dialect.kinds) if kind in types}
    data = flatten(text[dialect.body :], dialect.delimiter).encode()
    if not names or not data:
        return dict.fromkeys(map(int, names), np.empty(0))
    table = pa.csv.read_csv(
        pa.BufferReader(data),
        pa.csv.ReadOptions(
            use_threads=False,
            block_size=min(len(data) + 1, _BLOCK),
            column_names=[str(i) for i in range(len(dialect.kinds))],
        ),
        pa.csv.ParseOptions(
            delimiter="\t" if dialect.delimiter == " " else dialect.delimiter,
            newlines_in_values=True,
        ),
        pa.csv.ConvertOptions(
            check_utf8=False,
            column_types=names,
            include_columns=list(names),
            null_values=_NULLS,
            strings_can_be_null=True,
            decimal_point=dialect.decimal,
        ),
    )
    return {int(name): _as_float(table[name]) for name in names}


def _as_float(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_floating(column.type):
        return np.array(column.fill_null(np.nan).to_numpy(), dtype=np.float64)
    cells = [(cell, as_time(cell or "")) for cell in column.to_pylist()]
    if any(time is None and cell is not None for cell, time in cells):
        raise ValueError("not a time")
    return np.array([np.nan if time is None else time for _, time in cells])


READERS: tuple[Reader, ...] = (
    Reader(name="CSV", recognises=_recognises, parts=_parts, read=_read),
)
