"""How a delimited text file is written: encoding, comments, delimiter, decimal mark, header."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.readers.cells import as_number, as_time, is_blank
from tasks.readers.table import ColumnKind

SAMPLE_RECORDS = 100
SAMPLE_CHARACTERS = 1 << 18

# In order of preference where two fit equally well. A blank stands for any run of blanks.
_CANDIDATES = (
    ("\t", "."),
    ("\t", ","),
    (";", "."),
    (";", ","),
    (",", "."),
    (" ", "."),
    (" ", ","),
)
_PREAMBLE = re.compile(r"(?:[ ]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|\Z))*+")
_BLANKS = re.compile(r"[ \t]+")
_EDGES = re.compile(r"(?:\A|(?<=[\r\n]))\t|\t(?=[\r\n]|\Z)")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a text is cut into columns."""

    delimiter: str
    decimal: str
    labels: tuple[str, ...]
    """One a column; all "" where nothing names them."""
    named: bool
    """Whether a header record, or the last comment line, gives the labels."""
    kinds: tuple[ColumnKind, ...]
    """What each column holds, by the first records."""
    body: int
    """Characters before the first record of data."""
    typical: bool
    """Whether the first records are a table rather than prose: most of one width, with a numeric
    column, and as many values as words."""


def flatten(text: str, delimiter: str) -> str:
    """Make one tab of each run of blanks, where blanks are what separates."""
    return _EDGES.sub("", _BLANKS.sub("\t", text)) if delimiter == " " else text


def records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Walk the records of a text, lines without a character left out, each with its last line.

    Raises
    ------
    csv.Error
        At a quote that never closes.
    """
    single = "\t" if delimiter == " " else delimiter
    lines = io.StringIO(flatten(text, delimiter), newline="")
    rows = csv.reader(lines, delimiter=single, skipinitialspace=True, strict=True)
    return ((rows.line_num, row) for row in rows if row)


def sniff(text: str) -> Dialect | None:
    """Find out how a text is written, from its first records; None where it has none."""
    preamble = _PREAMBLE.match(text)
    assert preamble is not None
    start = preamble.end()
    sample = text[start : _sample_end(text, start)]
    cut = start + len(sample) < len(text)
    first = {way: _first_records(sample, way, cut=cut) for way in dict(_CANDIDATES)}
    trials = [(first[delimiter], delimiter, mark) for delimiter, mark in _CANDIDATES]
    rows, delimiter, decimal = max(trials, key=lambda trial: _fit(trial[0], trial[2]))
    if not rows:
        return None
    header = _is_header(rows, decimal)
    labels = rows[0] if header else _labels_in_comment(text[:start], delimiter, len(rows[0]))
    data = rows[1:] if header else rows
    kinds = tuple(_kind(column, decimal) for column in _columns(data, len(rows[0])))
    return Dialect(
        delimiter=delimiter,
        decimal=decimal,
        labels=tuple(labels) or ("",) * len(rows[0]),
        named=bool(labels),
        kinds=kinds,
        body=start + (_first_length(sample, delimiter) if header else 0),
        typical=_is_typical(data, kinds, decimal),
    )


def _sample_end(text: str, start: int) -> int:
    """Where to stop looking: after three lines at least, however long they are."""
    ends = [mark.end() for mark in itertools.islice(_LINE_ENDS.finditer(text, start), 3)]
    return max(ends[2], start + SAMPLE_CHARACTERS) if len(ends) == 3 else len(text)


def _first_records(sample: str, delimiter: str, *, cut: bool = False) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for _, row in records(sample, delimiter):
            rows += [row] if any(row) else []
            if len(rows) > SAMPLE_RECORDS:
                break
    except csv.Error:
        pass
    return rows[:-1] if len(rows) > 2 and cut else rows


def _first_length(sample: str, delimiter: str) -> int:
    lines = io.StringIO(sample, newline="")
    single = "\t" if delimiter == " " else delimiter
    rows = csv.reader(iter(lines.readline, ""), delimiter=single, skipinitialspace=True)
    next(row for row in rows if any(row))
    return lines.tell()


def _fit(rows: list[list[str]], decimal: str) -> tuple[float, bool]:
    """Score a way to cut: the share of even records times the share of cells that are values."""
    rows = rows[1:] or rows
    width, count = _usual_width(rows)
    if decimal == "," and width < 2:
        return (0.0, False)  # rather two columns of digits, one of which may lack cells
    cells = [cell for row in rows if len(row) == width for cell in row if not is_blank(cell)]
    values = sum(_is_value(cell, decimal) for cell in cells)
    return (count / max(len(rows), 1) * values / max(len(cells), 1), width > 1)


def _usual_width(rows: Iterable[list[str]]) -> tuple[int, int]:
    widths = Counter(map(len, rows)).most_common(1)
    return widths[0] if widths else (0, 0)


def _is_value(cell: str, decimal: str) -> bool:
    return as_number(cell, decimal) is not None or as_time(cell) is not None


def _is_header(rows: list[list[str]], decimal: str) -> bool:
    """Tell a header: words only, or a word above values in its first cell that is not blank."""
    filled = [(i, cell) for i, cell in enumerate(rows[0]) if not is_blank(cell)]
    if not any(_is_value(cell, decimal) for _, cell in filled):
        return bool(filled)
    first, cell = filled[0]
    below = next(iter(_columns(rows[1:], first + 1)[first:]), [])
    return not _is_value(cell, decimal) and _kind(below, decimal) != "other"


def _columns(rows: list[list[str]], width: int) -> list[list[str]]:
    return [[row[i] for row in rows if i < len(row)] for i in range(width)]


def _kind(cells: list[str], decimal: str) -> ColumnKind:
    """Tell numbers, times or words by what at least half of the cells that are not blank hold."""
    cells = [cell for cell in cells if not is_blank(cell)]
    numbers = sum(as_number(cell, decimal) is not None for cell in cells)
    if 2 * numbers >= len(cells):
        return "number"
    times = sum(as_time(cell) is not None for cell in cells)
    return "time" if 2 * times >= len(cells) else "other"


def _labels_in_comment(preamble: str, delimiter: str, width: int) -> list[str]:
    """Take labels from the last comment line, as NumPy's savetxt writes them, where they fit."""
    comments = [line.strip() for line in preamble.splitlines() if line.strip()]
    if not comments:
        return []
    rows = _first_records(comments[-1].lstrip("#").strip(), delimiter)
    fits = len(rows) == 1 and len(rows[0]) == width
    return rows[0] if fits and not any(_is_value(cell, ".") for cell in rows[0]) else []


def _is_typical(data: list[list[str]], kinds: tuple[ColumnKind, ...], decimal: str) -> bool:
    width, count = _usual_width(data)
    even = [row for row in data if len(row) == width]
    seen = any(
        kind == "number" and any(as_number(row[i], decimal) is not None for row in even)
        for i, kind in enumerate(kinds[:width])
    )
    cells = [cell for row in even for cell in row if not is_blank(cell)]
    values = sum(_is_value(cell, decimal) for cell in cells)
    return seen and 2 * count >= len(data) and 2 * values >= len(cells)
