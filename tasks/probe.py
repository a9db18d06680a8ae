"""Look at every new or changed file: its hash, its format, the items its header promises."""

import errno
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tasks import batches, scan, watchdog
from tasks.batches import Batch, Item, Order
from tasks.ledger import Ledger, Outcome, fingerprint, item_id
from tasks.readers import EXPECTED, UNREAD, find_reader, guess_content
from tasks.readers.base import Limits, Part, Refused
from tasks.store import Stack

VERSION = 2
STEP = "probe"
FILES_PER_BATCH = 32


def probe(order: Order, limits: Limits) -> None:
    """Give every item of every new or changed file its row, with a place in the store."""
    mark = fingerprint(VERSION, limits)
    with Ledger(order.output.ledger) as ledger:
        batches.carry(
            _work_list(ledger),
            probe_batch,
            order.asking(limits),
            stage=STEP,
            total=_ask(ledger, mark),
            commit=lambda outcomes: _commit(ledger, mark, outcomes),
        )


def _ask(ledger: Ledger, mark: str) -> int:
    """Mark files that are to be looked at again; return how many there are."""
    with ledger.writing():
        ledger.execute(
            "UPDATE file SET probed = NULL WHERE probed BETWEEN 0 AND ? "
            "OR (limits != ? AND path IN (SELECT path FROM item WHERE code = 'too-large'))",
            (VERSION - 1, mark),
        )
    return ledger.number(
        "SELECT count(*) FROM file WHERE probed IS NULL AND seen = ?", (ledger.run,)
    )


def _work_list(ledger: Ledger) -> Iterator[Batch]:
    last = b""
    while True:
        rows = ledger.rows(
            "SELECT path, size, mtime_ns FROM file WHERE probed IS NULL AND seen = ? "
            "AND path > ? ORDER BY path LIMIT ?",
            (ledger.run, last, FILES_PER_BATCH),
        )
        if not rows:
            return
        last = rows[-1]["path"]
        yield Batch(
            items=tuple(
                Item(
                    id=item_id(row["path"], ""),
                    path=row["path"],
                    size=row["size"],
                    mtime_ns=row["mtime_ns"],
                )
                for row in rows
            )
        )


def probe_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Look at the files of one batch; runs in a worker."""
    outcomes = []
    for item in batch.items:
        with watchdog.deadline(order.item_timeout):
            outcomes.append(_probe_file(order, item))
    return outcomes


def _probe_file(order: Order, item: Item) -> Outcome:
    path = locate(order.source, item.path)
    facts: tuple[tuple[str, Any], ...] = (("path", item.path),)
    try:
        _require_readable_kind(path)
        reader = find_reader(path)
        if reader is None:
            code, reason = _nobody(path)
            return Outcome(item=item.id, code=code, reason=reason, facts=facts)
        facts += (("format", reader.name), ("hash", hash_of(path)))
        parts = tuple(reader.parts(path, order.params))
        require_unchanged(path, item)
        return Outcome(item=item.id, facts=(*facts, ("parts", parts)))
    except (Refused, OSError) as error:
        refusal = refused(error)
        return Outcome(item=item.id, code=refusal.code, reason=refusal.reason, facts=facts)
    except Exception as error:  # a reader's bug is one item's failure
        return Outcome(
            item=item.id,
            code="internal",
            reason=f"scalemark failed on it, please report: {watchdog.trace(error)}",
            facts=facts,
        )


def locate(source: Path, path: bytes) -> Path:
    """Return where an item lies."""
    return source / os.fsdecode(path) if source.is_dir() and not scan.is_array(source) else source


def _require_readable_kind(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in UNREAD:
        raise Refused("unsupported", UNREAD[suffix])
    if not path.is_dir() and not path.is_file():
        raise Refused("changed", "vanished, or became something else than a file, since the scan")


def refused(error: Refused | OSError) -> Refused:
    """Put an operating system's error in the words of the ledger."""
    if isinstance(error, Refused):
        return error
    text = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return Refused("permission", f"may not be read: {text}; tried again in the next run")
    if isinstance(error, FileNotFoundError):
        return Refused("changed", "vanished while it was read; tried again in the next run")
    name = errno.errorcode.get(error.errno or 0, "error")
    return Refused("io-error", f"the file system failed ({name}: {text}); tried again next run")


def require_unchanged(path: Path, item: Item) -> None:
    """Refuse a file that is no longer the one that was scanned."""
    if path.is_dir():
        same = scan.newest(path) == item.mtime_ns
    else:
        status = path.stat()
        same = (status.st_size, scan.mtime_of(status)) == (item.size, item.mtime_ns)
    if not same:
        raise Refused("changed", "changed while it was read; tried again in the next run")


def hash_of(path: Path) -> str:
    """Return the hash of a file's bytes; of a Zarr folder, of its names, sizes and times."""
    digest = blake2b(digest_size=16)
    if path.is_dir():
        for child in sorted(path.rglob("*")):
            status = child.lstat()
            scan.require_plain(child.relative_to(path), status.st_mode)
            line = f"{child.relative_to(path)}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    else:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _nobody(path: Path) -> tuple[str, str]:
    suffix = path.suffix.lower()
    if suffix not in EXPECTED:
        return "other", f"not an image or signal that scalemark reads ({suffix or 'no suffix'})"
    if path.stat().st_size == 0:
        return "empty", "the file is empty (0 bytes)"
    return "mismatch", f"named {suffix}, but it holds {guess_content(path)}"


def _commit(ledger: Ledger, mark: str, outcomes: list[Outcome]) -> None:
    with ledger.writing():
        for outcome in outcomes:
            facts = dict(outcome.facts)
            path = facts.get("path") or _path_of(ledger, outcome.item)
            if outcome.code:
                _refuse(ledger, path, outcome, facts)
            else:
                _list_parts(ledger, path, facts)
            again = outcome.code in ("changed", "io-error", "permission")
            ledger.execute(
                "UPDATE file SET hash = ?, format = ?, probed = ?, limits = ? WHERE path = ?",
                (facts.get("hash"), facts.get("format"), None if again else VERSION, mark, path),
            )


def _path_of(ledger: Ledger, item: int) -> bytes:
    """Return the path of a file that killed its worker; of many parts, it has no row itself."""
    waiting = ledger.execute(
        "SELECT path FROM file WHERE probed IS NULL AND seen = ?", (ledger.run,)
    )
    return next(bytes(row["path"]) for row in waiting if item_id(row["path"], "") == item)


def _refuse(ledger: Ledger, path: bytes, outcome: Outcome, facts: dict[str, Any]) -> None:
    """Leave one row for the file, with the reason."""
    ledger.execute("DELETE FROM item WHERE path = ?", (path,))
    ledger.execute(
        "INSERT INTO item (id, path, part, ordinal, format, status, code, reason, failed, hash) "
        "VALUES (?, ?, '', 0, ?, ?, ?, ?, ?, ?)",
        (
            item_id(path, ""),
            path,
            facts.get("format", ""),
            "skipped" if outcome.code == "other" else "quarantined",
            outcome.code,
            outcome.reason,
            STEP,
            facts.get("hash"),
        ),
    )


def _list_parts(ledger: Ledger, path: bytes, facts: dict[str, Any]) -> None:
    """Give every part of a file its row; a part that was there before keeps its place."""
    parts = _distinct(facts["parts"])
    keep = {item_id(path, part.name) for part in parts}
    for row in ledger.rows("SELECT id FROM item WHERE path = ?", (path,)):
        if row["id"] not in keep:
            ledger.execute("DELETE FROM item WHERE id = ?", (row["id"],))
    for ordinal, part in enumerate(parts):
        _list_part(ledger, path, ordinal, part, facts)


def _distinct(parts: tuple[Part, ...]) -> list[Part]:
    """Return the parts, those of one name numbered, so that each keeps a row of its own."""
    met: Counter[str] = Counter()
    distinct = []
    for part in parts:
        met[part.name] += 1
        number = met[part.name]
        distinct.append(replace(part, name=f"{part.name} ({number})") if number > 1 else part)
    return distinct


def _list_part(
    ledger: Ledger, path: bytes, ordinal: int, part: Part, facts: dict[str, Any]
) -> None:
    item = item_id(path, part.name)
    stack = Stack.of(part.kind, part.shape, part.dtype, in_place=part.in_place)
    # A failure is no result: the step that failed is done again.
    ledger.execute(
        "DELETE FROM done WHERE item = ?1 AND step = (SELECT failed FROM item WHERE id = ?1)",
        (item,),
    )
    height, width = part.shape if part.kind == "image" else (None, None)
    ledger.execute(
        "INSERT INTO item (id, path, part, ordinal, kind, format, height, width, samples, dtype, "
        "in_place, hash, stack) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET ordinal = excluded.ordinal, kind = excluded.kind, "
        "format = excluded.format, height = excluded.height, width = excluded.width, "
        "samples = excluded.samples, dtype = excluded.dtype, in_place = excluded.in_place, "
        "hash = excluded.hash, status = 'pending', code = '', reason = '', failed = '', "
        "slot = CASE WHEN stack = excluded.stack THEN slot END, stack = excluded.stack",
        (
            item,
            path,
            part.name,
            ordinal,
            part.kind,
            facts["format"],
            height,
            width,
            part.shape[0] if part.kind == "signal" else None,
            part.dtype,
            part.in_place,
            facts["hash"],
            stack.name,
        ),
    )
