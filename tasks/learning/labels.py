"""Labels that a person gave: read from CSV, checked, and matched to the items of a run."""

import csv
import difflib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks import progress
from tasks.errors import UsageError
from tasks.ledger import Ledger
from tasks.store import LABELS
from tasks.table import full_name

STAGE = "labels"
SHOWN = 5
"""Offending names that a message lists."""
COLUMNS = ["name", "label"]
DELIMITERS = ",;\t"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """An item with its label, and where its features lie."""

    item: int
    name: str
    label: str
    kind: str
    path: str
    stack: str
    slot: int


def read_labels(path: Path) -> dict[str, str]:
    """Read a CSV of `name,label`: what each named item was called.

    Commas, semicolons or tabs part the two; an empty label is no label.

    Raises
    ------
    UsageError
        If the file cannot be read, has other columns, or names an item twice with two labels.
    """
    found: dict[str, str] = {}
    seen: defaultdict[str, set[str]] = defaultdict(set)
    repeated = 0
    for name, label in _rows(path):
        repeated += label in seen[name]
        seen[name].add(label)
        found[name] = label
    torn = [name for name, labels in seen.items() if len(labels) > 1]
    if torn:
        each = (f"{name!r} is {' and '.join(sorted(map(repr, seen[name])))}" for name in torn)
        raise UsageError(f"{path} contradicts itself: {_listed(list(each))}; keep one label each")
    if not found:
        raise UsageError(f"{path} labels nothing: it needs a row `name,label` for every item")
    if repeated:
        _note(f"{repeated} rows repeat what another says")
    return found


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the labels {path}: {error}") from error
    if not text.strip():
        raise UsageError(f"{path} is empty: its first line must be `name,label`")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), _delimiter(text, path), strict=True))
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}") from error
    blank = 0
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(COLUMNS) or not row[0].strip():
            raise UsageError(f"row {number} of {path} is no `name,label`: {row}")
        if label := _plain(row[1].strip()):
            yield _plain(row[0]), label
        blank += not label
    if blank:
        _note(f"{blank} rows have an empty label and are left out")


def _delimiter(text: str, path: Path) -> type[csv.Dialect]:
    """Return the dialect in which the first line is `name,label`."""
    line = text.splitlines()[0]
    for character in DELIMITERS:
        if [cell.strip(' "').lower() for cell in line.split(character)] == COLUMNS:
            return type("Labels", (csv.excel,), {"delimiter": character})
    raise UsageError(f"the first line of {path} is {line[:200]!r}: it must be `name,label`")


def _note(text: str) -> None:
    progress.tell(progress.Note(stage=STAGE, text=text))


def match(ledger: Ledger, labels: Mapping[str, str], source: Path) -> list[Labelled]:
    """Find the items that labels name; those without features are left out, and that is said.

    Parameters
    ----------
    ledger : Ledger
        Of the run.
    labels : mapping
        Label by name, as `read_labels` returns it.
    source : Path
        The labels' file, for messages.

    Raises
    ------
    UsageError
        Where a name is no item's, or that of two.
    """
    held: Counter[str] = Counter()
    absent: Counter[str] = Counter()
    found: list[Labelled] = []
    known: list[str] = []
    for row in ledger.execute("SELECT * FROM item ORDER BY path, ordinal"):
        name = full_name(row["path"], row["part"])
        if name not in labels:
            if len(known) < 100_000:
                known.append(name)
            continue
        held[name] += 1
        if row["status"] not in ("ok", "flagged"):
            absent[row["status"]] += 1
            continue
        found.append(_labelled(row, name, labels[name]))
    unknown = [name for name in labels if not held[name]]
    if unknown:
        raise UsageError(_unknown(unknown, known, source))
    double = [name for name, count in held.items() if count > 1]
    if double:
        raise UsageError(f"{source}: more than one item is called {_listed(double)}")
    for status, count in absent.items():
        _note(f"{count} labelled items are {status}: without features, they are left out")
    return found


def _labelled(row: Mapping[str, object], name: str, label: str) -> Labelled:
    values = {key: row[key] for key in ("kind", "stack", "slot")}
    path = full_name(row["path"], "")  # type: ignore[arg-type]
    return Labelled(item=row["id"], name=name, label=label, path=path, **values)  # type: ignore[arg-type]


def _plain(cell: str) -> str:
    """Return a cell without the quote that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if re.match(r"'+[=+\-@\t\r\n]", cell) else cell


def _unknown(names: list[str], known: list[str], source: Path) -> str:
    close = difflib.get_close_matches(names[0], known, n=1)
    hint = f"; the nearest is {close[0]!r}" if close else ""
    return (
        f"{source} labels {len(names)} items that the run does not have: {_listed(names)}{hint}. "
        "Names are paths below the source, with the part in brackets, as in the label page; "
        "correct or remove these rows"
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def choose_kind(items: list[Labelled], only: str, source: Path) -> tuple[str, list[Labelled]]:
    """Return the one kind that a rule is for, and the items of it.

    Raises
    ------
    UsageError
        Where nothing is left, images and signals are mixed, or there are not 2 to 16 labels.
    """
    wanted = {"images": "image", "signals": "signal"}.get(only)
    left = [item for item in items if wanted in (None, item.kind)]
    kinds = Counter(item.kind for item in left)
    if not left:
        raise UsageError(f"{source} labels no {only.removesuffix('s')} that has features")
    if len(kinds) > 1:
        raise UsageError(
            f"{source} labels {kinds['image']} images and {kinds['signal']} signals, which have no "
            "feature in common: train one rule for each, with --only images or --only signals"
        )
    labels = Counter(item.label for item in left)
    if len(labels) < 2:
        raise UsageError(
            f"every labelled item is {next(iter(labels))!r}: a rule needs two labels or more"
        )
    if len(labels) > LABELS:
        raise UsageError(f"{source} has {len(labels)} labels, and {LABELS} are the most")
    return next(iter(kinds)), left
