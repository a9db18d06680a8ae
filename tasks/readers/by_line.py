"""Delimited text read cell by cell: slow, and exact about where it is damaged."""

import csv
import re
from array import array

import numpy as np
from numpy.typing import NDArray

from tasks.readers.base import Refused
from tasks.readers.cells import as_number, as_time, is_blank
from tasks.readers.dialect import Dialect, records

Columns = dict[int, NDArray[np.float64]]
"""Numeric columns and times of a table, by index."""

_LINE_END = re.compile(r"\r\n|\r|\n")


def read_by_line(text: str, dialect: Dialect) -> Columns:
    """Read record by record, and say where the text is damaged.

    Raises
    ------
    Refused
        "corrupt" at a ragged record, or where a column of numbers holds a few words.
    """
    before = len(_LINE_END.findall(text[: dialect.body]))
    width = len(dialect.kinds)
    cells = {i: _Cells(i, dialect) for i, kind in enumerate(dialect.kinds) if kind != "other"}
    line = before
    try:
        for number, row in records(text[dialect.body :], dialect.delimiter):
            line = before + number
            if len(row) != width and not any(cell.strip() for cell in row):
                continue
            if len(row) != width:
                reason = f"line {line}: {len(row)} columns, the first record has {width}"
                raise Refused("corrupt", reason)
            for i, column in cells.items():
                column.add(row[i], line)
    except csv.Error as error:
        raise Refused("corrupt", f"after line {line}: {error}") from error
    return {i: column.values() for i, column in cells.items() if not column.is_words()}


class _Cells:
    """One column, read cell by cell."""

    def __init__(self, index: int, dialect: Dialect) -> None:
        self._label = dialect.labels[index].strip() or str(index + 1)
        self._time = dialect.kinds[index] == "time"
        self._decimal = dialect.decimal
        self._values = array("d")
        self._filled = self._bad = 0
        self._first = ""

    def add(self, cell: str, line: int) -> None:
        blank = is_blank(cell)
        value = None
        if not blank:
            value = as_time(cell) if self._time else as_number(cell, self._decimal)
            self._filled += 1
        if value is None and not blank:
            self._bad += 1
            kind = "a time" if self._time else "a number"
            shown = " ".join(cell.split())[:40]
            self._first = self._first or (
                f"line {line}, column {self._label}: '{shown}' is not {kind}"
            )
        self._values.append(np.nan if value is None else value)

    def is_words(self) -> bool:
        return 2 * self._bad > self._filled

    def values(self) -> NDArray[np.float64]:
        if self._bad:
            raise Refused("corrupt", self._first)
        return np.array(self._values)
