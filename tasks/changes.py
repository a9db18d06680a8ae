"""What changed in the table from one run to the next."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.output import Output
from tasks.table import SCHEMA

COLUMNS = ("path", "part", "status", "code", "piqe")
EXAMPLES = 5
Table = Any


@dataclass(frozen=True, kw_only=True)
class Change:
    """Items that changed alike, and the names of the first few."""

    what: str
    count: int
    examples: tuple[str, ...]


def snapshot(output: Output) -> Table | None:
    """Return the table as the last run left it, or None where there is none that can be read."""
    try:
        return pq.read_table(output.parquet, columns=list(COLUMNS))
    except (OSError, pa.ArrowException):
        return None


def compare(before: Table | None, after: Table | None) -> tuple[Change, ...]:
    """Return what changed between two snapshots, most important first; nothing that did not.

    Examples
    --------
    >>> rows = [{"path": "a.png", "part": "", "status": "ok", "code": "", "piqe": 20.0}]
    >>> earlier = pa.Table.from_pylist(rows)
    >>> later = pa.Table.from_pylist([rows[0] | {"status": "flagged", "piqe": 60.0}])
    >>> [(change.what, change.examples) for change in compare(earlier, later)]
    [('newly flagged', ('a.png',)), ('scored differently', ('a.png',))]
    """
    kinds = pa.schema([SCHEMA.field(name).remove_metadata() for name in COLUMNS])
    empty = kinds.empty_table()
    sides = [empty if table is None else table.cast(kinds) for table in (before, after)]
    both = sides[0].join(
        sides[1], ["path", "part"], join_type="full outer", right_suffix="_now", left_suffix=""
    ).sort_by([("path", "ascending"), ("part", "ascending")])  # fmt: skip
    was, now = both["status"], both["status_now"]
    known = pc.and_(pc.is_valid(was), pc.is_valid(now))
    gone = pc.fill_null(pc.equal(both["code_now"], "gone"), fill_value=False)
    left = pc.and_(known, pc.and_(gone, pc.invert(pc.equal(both["code"], "gone"))))
    lists = (
        ("new", pc.is_null(was)),
        ("gone from the source", pc.or_(pc.is_null(now), left)),
        ("newly quarantined", _became(known, was, now, "quarantined")),
        ("newly flagged", _became(known, was, now, "flagged")),
        ("newly ok", _became(known, was, now, "ok")),
        ("scored differently", pc.and_(known, pc.not_equal(both["piqe"], both["piqe_now"]))),
    )
    found = (
        _change(what, both.filter(pc.fill_null(mask, fill_value=False))) for what, mask in lists
    )
    return tuple(change for change in found if change.count)


def _became(known: Any, was: Any, now: Any, status: str) -> Any:  # noqa: ANN401
    return pc.and_(known, pc.and_(pc.equal(now, status), pc.not_equal(was, status)))


def _change(what: str, rows: Table) -> Change:
    first = rows.slice(0, EXAMPLES).to_pylist()
    names = (f"{row['path']} ({row['part']})" if row["part"] else row["path"] for row in first)
    return Change(what=what, count=rows.num_rows, examples=tuple(names))
