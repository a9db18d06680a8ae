"""The table for people and programs: one row per input, in Parquet and CSV, with a dictionary."""

import csv
import io
import os
import re
from collections.abc import Iterator
from sqlite3 import Row
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.batches import Order
from tasks.errors import StoreFailed
from tasks.learning.learned import MARK, Learned, applied_rules
from tasks.ledger import Ledger
from tasks.output import Output, replace
from tasks.scalars import FEATURES, Scalars, names
from tasks.verdict import grade

PAGE = 1000
TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()

LEDGER_COLUMNS: tuple[tuple[str, Any, str], ...] = (
    ("path", TEXT, "where it lies below the source; bytes that are not text are shown as \\xNN"),
    ("part", TEXT, "which item of the file: a page, a column, an array; empty if it is the only"),
    ("kind", TEXT, "image or signal; empty where that is not known"),
    ("format", TEXT, "how the content was recognised"),
    ("status", TEXT, "ok, flagged, quarantined, skipped or pending"),
    ("code", TEXT, "one word for why it is quarantined or skipped"),
    ("reason", TEXT, "why it is flagged, quarantined or skipped, for people"),
    ("height", WHOLE, "image height as it is seen, in pixels"),
    ("width", WHOLE, "image width as it is seen, in pixels"),
    ("samples", WHOLE, "signal length, in samples"),
    ("dtype", TEXT, "class of the decoded pixels or samples"),
    ("route", TEXT, "how it was decoded"),
    ("x_name", TEXT, "what a signal's positions are"),
    ("x_units", TEXT, "unit of a signal's positions"),
    ("units", TEXT, "unit of a signal's samples, where the file tells"),
    ("hash", TEXT, "BLAKE2b-128 of the file's bytes, hexadecimal"),
    ("item", WHOLE, "the row's number in the ledger and in the store's item variables"),
    ("stack", TEXT, "the group of the store that holds it, such as 512x768_uint8"),
    ("slot", WHOLE, "its frame or series in that group"),
)
FEATURE_COLUMNS = tuple(
    (name, REAL, f"{feature.long_name} ({kind}s)")
    for kind, features in FEATURES.items()
    for feature in features
    for name in names(feature)
)
GRADE = (("grade", TEXT, "word for the PIQE score: excellent, good, fair, poor or bad"),)
PREDICTED = (
    ("predicted", TEXT, "likeliest label by the rule of yours that was applied"),
    ("predicted_probability", REAL, "how sure the rule is of it, 0 to 1"),
)
COLUMNS = (
    *LEDGER_COLUMNS[:7],
    FEATURE_COLUMNS[0],
    *GRADE,
    *PREDICTED,
    *LEDGER_COLUMNS[7:],
    *FEATURE_COLUMNS[1:],
)

SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": text}) for name, kind, text in COLUMNS]
)
"""Of every run; one that a rule was applied to has the probability of each label besides."""


def show_path(path: bytes) -> str:
    r"""Return a path as valid text; bytes that are not UTF-8 become \\xNN."""
    return path.decode("utf-8", "backslashreplace")


def part_of(part: str) -> str:
    """Return the name of a file's part as valid text."""
    return part.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def full_name(path: bytes, part: str) -> str:
    """Return what an item is called where labels name it: its path, its part in brackets.

    Examples
    --------
    >>> full_name(b"cells/stack.tif", "page 2"), full_name(b"cat.jpg", "")
    ('cells/stack.tif (page 2)', 'cat.jpg')
    """
    return f"{show_path(path)} ({part_of(part)})" if part else show_path(path)


def safe_cell(value: Any) -> Any:  # noqa: ANN401
    """Return a cell that no spreadsheet takes for a formula.

    A quote goes before what would be one, and before what has such quotes already, so that taking
    one away gives the value back.
    """
    if isinstance(value, str) and re.match(r"'*[=+\-@\t\r\n]", value):
        return "'" + value
    return value


def write_tables(order: Order) -> None:
    """Write items.parquet, items.csv and what their columns mean."""
    output = order.output
    with Ledger(output.ledger) as ledger:
        learned = Learned(output, applied_rules(ledger))
    schema = _schema(learned)
    partial_parquet = output.parquet.with_name("items.parquet.partial")
    partial_csv = output.csv.with_name("items.csv.partial")
    try:
        with (
            pq.ParquetWriter(partial_parquet, schema, compression="zstd") as parquet,
            partial_csv.open("w", newline="", encoding="utf-8") as file,
        ):
            cells = csv.writer(file)
            cells.writerow([safe_cell(name) for name in schema.names])
            for rows in _pages(output, learned, schema):
                parquet.write_table(pa.Table.from_pylist(rows, schema))
                cells.writerows([safe_cell(value) for value in row.values()] for row in rows)
        for partial, final in ((partial_parquet, output.parquet), (partial_csv, output.csv)):
            keep(partial, final)
        replace(output.columns, _dictionary(schema))
    except OSError as error:
        raise StoreFailed(f"cannot write the tables in {output.root}: {error}") from error
    finally:
        partial_parquet.unlink(missing_ok=True)
        partial_csv.unlink(missing_ok=True)


def keep(partial: Any, final: Any) -> None:  # noqa: ANN401
    """Put a finished file in its place, once its bytes are on disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(final)


def _schema(learned: Learned) -> Any:  # noqa: ANN401
    fields = (
        pa.field(name, REAL, metadata={"description": text}) for name, text in learned.columns()
    )
    return pa.schema([*SCHEMA, *fields])


def _dictionary(schema: Any) -> bytes:  # noqa: ANN401
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(("column", "type", "meaning"))
    rows.writerows(
        (safe_cell(one.name), str(one.type), one.metadata[b"description"].decode())
        for one in schema
    )
    return text.getvalue().encode()


def _pages(output: Output, learned: Learned, schema: Any) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401
    scalars = Scalars(output.store)
    path, ordinal = b"", -1
    with Ledger(output.ledger) as ledger:
        while rows := ledger.rows(
            f"SELECT item.*, {MARK} FROM item WHERE (path, ordinal) > (?, ?) "
            "ORDER BY path, ordinal LIMIT ?",
            (path, ordinal, PAGE),
        ):
            path, ordinal = rows[-1]["path"], rows[-1]["ordinal"]
            found = (_row(row, scalars, learned) for row in rows)
            yield [{name: facts.get(name) for name in schema.names} for facts in found]


def _row(row: Row, scalars: Scalars, learned: Learned) -> dict[str, Any]:
    facts = {**dict(row), "path": show_path(row["path"]), "item": row["id"]}
    facts["part"] = part_of(row["part"])
    if row["status"] in ("ok", "flagged"):
        features = scalars.of(row["kind"], row["stack"], row["slot"])
        facts |= {name: None if value != value else value for name, value in features.items()}
        facts |= learned.of(facts)
    score = facts.get("piqe")
    facts["grade"] = None if score is None else grade(score)
    return facts
