"""The ledger: one row per input, the truth of what is done. One writer, the coordinator."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tasks.errors import StoreFailed, UsageError

Values = Sequence[Any] | Mapping[str, Any]
SCHEMA_VERSION = 2
STATUSES = ("ok", "flagged", "quarantined", "skipped", "pending")
TRANSIENT = ("io-error", "changed", "permission")
"""Refusals that the next run tries again by itself."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, outcome TEXT,
    params TEXT NOT NULL, versions TEXT NOT NULL);
CREATE TABLE file (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, hash TEXT, format TEXT,
    seen INTEGER NOT NULL, probed INTEGER, limits TEXT) WITHOUT ROWID;
CREATE TABLE item (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL, part TEXT NOT NULL, ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL DEFAULT '', format TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'pending', code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '', failed TEXT NOT NULL DEFAULT '',
    height INTEGER, width INTEGER, samples INTEGER, dtype TEXT, route TEXT,
    x_name TEXT, x_units TEXT, units TEXT, note TEXT NOT NULL DEFAULT '',
    in_place INTEGER NOT NULL DEFAULT 0,
    hash TEXT, stack TEXT, slot INTEGER, UNIQUE (path, part));
CREATE INDEX item_place ON item (stack, slot);
CREATE INDEX item_status ON item (status);
CREATE TABLE done (
    item INTEGER NOT NULL, step TEXT NOT NULL, hash TEXT NOT NULL, fingerprint TEXT NOT NULL,
    run INTEGER NOT NULL, PRIMARY KEY (item, step)) WITHOUT ROWID;
CREATE TABLE stack (name TEXT PRIMARY KEY, slots INTEGER NOT NULL) WITHOUT ROWID;
"""

FORGET = (
    "CREATE TRIGGER item_deleted AFTER DELETE ON item "
    "BEGIN DELETE FROM done WHERE item = OLD.id; END",
    "CREATE TRIGGER item_moved AFTER UPDATE OF slot ON item WHEN NEW.slot IS NULL "
    "BEGIN DELETE FROM done WHERE item = OLD.id; END",
)
"""What is done lies in a slot: without the slot it is not done."""

ASIDE = (
    "CREATE TABLE IF NOT EXISTS aside (item INTEGER NOT NULL, step TEXT NOT NULL, "
    "hash TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (item, step)) "
    "WITHOUT ROWID",
    "CREATE TRIGGER IF NOT EXISTS aside_deleted AFTER DELETE ON item "
    "BEGIN DELETE FROM aside WHERE item = OLD.id; END",
)
"""Why a step that stands beside the run has nothing of an item; since format 2."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a step says of one item: done, or quarantined with a reason."""

    item: int
    code: str = ""
    reason: str = ""
    facts: tuple[tuple[str, Any], ...] = ()
    """Columns of the item's row that the step has learnt."""
    pixels: int = 0


def item_id(path: bytes, part: str) -> int:
    """Return an item's number: a hash of where it lies, the same in every run."""
    digest = blake2b(path + b"\0" + part.encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest()) >> 1


def fingerprint(version: int, params: Any = None) -> str:  # noqa: ANN401
    """Return what a step's result depends on beside its input, as JSON."""
    values = asdict(params) if is_dataclass(params) and not isinstance(params, type) else params
    return json.dumps({"version": version, "params": values or {}}, sort_keys=True)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def why_stale(old: str | None, new: str, *, same_input: bool) -> str:
    """Say in words why a step runs again."""
    if old is None:
        return "new"
    if not same_input:
        return "its content changed"
    before, after = _flat(json.loads(old)), _flat(json.loads(new))
    changes = [
        f"{key.removeprefix('params.')} changed from {before.get(key)} to {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return "; ".join(changes)


def _encodable(values: Values) -> Values:
    """Return the values with text that UTF-8 holds: a reason may quote a name that is not text."""

    def plain(value: Any) -> Any:  # noqa: ANN401
        text = isinstance(value, str)
        return value.encode("utf-8", "backslashreplace").decode() if text else value

    if isinstance(values, Mapping):
        return {name: plain(value) for name, value in values.items()}
    return [plain(value) for value in values]


class Ledger:
    """An open ledger.

    Parameters
    ----------
    path : Path
        The SQLite file; made when it is absent and `create` is true.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if not create and not path.exists():
            raise UsageError(f"{path.parent} holds no scalemark run: {path.name} is missing")
        self.path = path
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA synchronous = FULL")
            self._check_schema()
        except sqlite3.DatabaseError as error:
            raise StoreFailed(f"cannot open the ledger {path}: {error}") from error

    def _check_schema(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == SCHEMA_VERSION:
            return
        missing = {0: (*SCHEMA.split(";\n"), *FORGET, *ASIDE), 1: ASIDE}.get(version)
        if missing:
            with self.writing():
                for statement in missing:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        else:
            raise UsageError(
                f"{self.path} has ledger format {version}, this scalemark reads {SCHEMA_VERSION}: "
                "use the version that wrote it, or another --out"
            )

    @property
    def run(self) -> int:
        """The number of the run that writes now, or wrote last."""
        return self.number("SELECT max(id) FROM run")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is kept, or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._roll_back()
            raise StoreFailed(f"cannot write the ledger {self.path}: {error}") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def execute(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        """Run one statement."""
        try:
            return self._db.execute(sql, values)
        except UnicodeEncodeError:
            return self._db.execute(sql, _encodable(values))

    def rows(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        """Return all rows of a query whose size is bounded."""
        return self._db.execute(sql, values).fetchall()

    def number(self, sql: str, values: Values = ()) -> int:
        """Return a query's single number."""
        return int(self._db.execute(sql, values).fetchone()[0] or 0)

    def get_meta(self, key: str) -> str | None:
        """Return one fact about the whole run folder."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep one fact about the whole run folder."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def counts(self) -> dict[str, int]:
        """Return how many items stand in each status."""
        found = dict(self._db.execute("SELECT status, count(*) FROM item GROUP BY status"))
        return {status: found.get(status, 0) for status in STATUSES}

    def record(self, step: str, mark: str, outcomes: Iterable[Outcome]) -> None:
        """Commit what a step did: the rows of one batch, in one transaction."""
        with self.writing():
            for outcome in outcomes:
                self._db.execute(
                    "INSERT OR REPLACE INTO done "
                    "SELECT id, ?, coalesce(hash, ''), ?, ? FROM item WHERE id = ?",
                    (step, mark, self.run, outcome.item),
                )
                self.update(outcome.item, **dict(outcome.facts))
                if outcome.code:
                    self.quarantine(outcome, step)
                else:
                    self._db.execute(
                        "UPDATE item SET status = 'pending', code = '', reason = '', failed = '' "
                        "WHERE id = ? AND status = 'quarantined' AND failed = ?",
                        (outcome.item, step),
                    )

    def record_aside(self, step: str, mark: str, outcomes: Iterable[Outcome]) -> None:
        """Commit what a step beside the run did: no item's status or reason changes.

        What failed is not done, so that the next time tries it again; why is kept.
        """
        with self.writing():
            for outcome in outcomes:
                self._db.execute(
                    "DELETE FROM aside WHERE item = ? AND step = ?", (outcome.item, step)
                )
                self._db.execute(
                    "DELETE FROM done WHERE item = ? AND step = ?", (outcome.item, step)
                )
                values: Values = (step, mark, self.run, outcome.item)
                sql = "INSERT INTO done SELECT id, ?, coalesce(hash, ''), ?, ? FROM item "
                if outcome.code:
                    values = (step, outcome.code, outcome.reason, outcome.item)
                    sql = "INSERT INTO aside SELECT id, ?, coalesce(hash, ''), ?, ? FROM item "
                self.execute(f"{sql}WHERE id = ?", values)

    def failed_aside(self, step: str, kind: str) -> dict[int, str]:
        """Return the items that a step beside the run has nothing of, each with the reason."""
        rows = self.execute(
            "SELECT aside.item, aside.reason FROM aside JOIN item ON item.id = aside.item "
            "AND item.hash = aside.hash WHERE step = ? AND kind = ? "
            "AND status IN ('ok', 'flagged')",
            (step, kind),
        )
        return {row["item"]: str(row["reason"]) for row in rows}

    def quarantine(self, outcome: Outcome, step: str) -> None:
        """Set an item aside with its reason."""
        self.update(
            outcome.item,
            status="quarantined",
            code=outcome.code,
            reason=outcome.reason,
            failed=step,
        )

    def update(self, item: int, **facts: Any) -> None:  # noqa: ANN401
        """Set columns of one item's row."""
        if facts:
            columns = ", ".join(f"{name} = ?" for name in facts)
            self._db.execute(
                f"UPDATE item SET {columns} WHERE id = ?",
                (*facts.values(), item),
            )
