"""Walk the source: every name found becomes a row of the ledger, whatever it is.

Nothing is opened here. Symbolic links are not followed, so loops and links out of the source do no
harm; only regular files go on to the readers, so a FIFO hangs nobody.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks import progress
from tasks.batches import Order
from tasks.errors import UsageError
from tasks.ledger import Ledger, item_id
from tasks.readers import EXPECTED
from tasks.readers.base import Refused

PAGE = 1000
ARRAY_MARKERS = ("zarr.json", ".zarray", ".zgroup")
LATEST = 2**63 - 1
"""Nanoseconds: the year 2262, where SQLite's integers end and file times do not."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One name in the source; `code` is set where it will not be read."""

    path: bytes
    size: int = 0
    mtime_ns: int = 0
    code: str = ""
    reason: str = ""
    status: str = "skipped"


def walk(source: Path, output: Path | None = None) -> Iterator[Found]:
    """Yield every name below `source`, sorted, each once.

    Parameters
    ----------
    source : Path
        A folder, or a single file.
    output : Path, optional
        The run's own folder, not entered.
    """
    if source.is_dir() and not is_array(source):
        own = os.fsencode(output.resolve()) if output else b""
        yield from _walk_folder(os.fsencode(source.resolve()), own)
    elif source.is_dir():
        yield Found(path=os.fsencode(source.name), mtime_ns=newest(source))
    else:
        yield _found(os.fsencode(source.name), source.lstat(), source)


def is_array(folder: Path) -> bool:
    """Tell a folder that is a Zarr array or an OME-Zarr image; not one that may not be entered."""
    try:
        return any((folder / marker).is_file() for marker in ARRAY_MARKERS)
    except OSError:
        return False


def _walk_folder(root: bytes, own: bytes) -> Iterator[Found]:
    waiting = [b""]  # no recursion: a folder may lie a thousand deep
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118  (bytes)
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            yield _unreadable(below or b".", "the folder cannot be listed", error)
            continue
        for name in names:
            path = os.path.join(below, name)  # noqa: PTH118
            found, folder = _visit(root, path, own)
            if found:
                yield found
            if folder:
                waiting.append(path)


def _unreadable(path: bytes, what: str, error: OSError) -> Found:
    return Found(
        path=path,
        code="permission" if isinstance(error, PermissionError) else "io-error",
        reason=f"{what}: {error.strerror}",
        status="quarantined",
    )


def _visit(root: bytes, path: bytes, own: bytes) -> tuple[Found | None, bool]:
    """Return the row that a name gets, if any, and whether it is a folder to walk."""
    full = Path(os.fsdecode(os.path.join(root, path)))  # noqa: PTH118
    try:
        status = full.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return _found(path, status, full), False
        if is_array(full) and not full.name.startswith("."):
            return Found(path=path, mtime_ns=newest(full)), False
    except OSError as error:
        return _unreadable(path, "cannot be read", error), False
    if os.fsencode(full) == own or _is_output(full):
        return Found(path=path, code="own", reason="an output folder of scalemark"), False
    if full.name.startswith("."):
        return Found(path=path, code="hidden", reason="a hidden folder, not entered"), False
    if full.suffix.lower() in EXPECTED:
        reason = "a folder, though its name has a suffix; what it holds is read"
        return Found(path=path, code="folder", reason=reason), True
    return None, True


def _is_output(folder: Path) -> bool:
    """Tell the output folder of some run: its store is no input."""
    try:
        return (folder / "ledger.sqlite").is_file() and (folder / "store.zarr").is_dir()
    except OSError:
        return False


def _found(path: bytes, status: os.stat_result, full: Path) -> Found:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return Found(path=path, code="link", reason="a symbolic link, not followed")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return Found(path=path, code="special", reason=f"{_special(mode)}, not a file")
    if full.name.startswith("."):
        return Found(path=path, code="hidden", reason="a hidden file")
    return Found(path=path, size=status.st_size, mtime_ns=mtime_of(status))


def _special(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def require_plain(name: Path, mode: int) -> None:
    """Refuse a Zarr folder for what a reader would follow out of it, or wait for."""
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    what = "a symbolic link" if stat.S_ISLNK(mode) else _special(mode)
    raise Refused("unsupported", f"'{name}' in it is {what}, not followed: put a file in its place")


def mtime_of(status: os.stat_result) -> int:
    """Return a modification time in nanoseconds, within what the ledger can hold."""
    return max(-LATEST, min(status.st_mtime_ns, LATEST))


def newest(folder: Path) -> int:
    """Return the newest modification time below a folder, in nanoseconds."""
    return max(
        mtime_of(Path(parent, name).lstat())
        for parent, _, names in os.walk(folder)
        for name in (".", *names)
    )


def scan(order: Order) -> None:
    """Give every name below the source its row in the ledger; mark what is new, changed or gone.

    Raises
    ------
    UsageError
        When the source is an empty folder and was none before.
    """
    with Ledger(order.output.ledger) as ledger:
        seen = 0
        page: list[Found] = []
        for found in walk(order.source, order.output.root):
            page.append(found)
            seen += 1
            if len(page) == PAGE:
                _commit(ledger, page, seen)
                page = []
        if not seen:
            _require_never_filled(ledger, order.source)
        _commit(ledger, page, seen)
        _mark_gone(ledger)


def _require_never_filled(ledger: Ledger, source: Path) -> None:
    """Refuse to mark a whole archive as gone: a folder without a name is a share not mounted."""
    known = ledger.number("SELECT count(*) FROM file")
    if known:
        raise UsageError(
            f"{source} is empty and held {known} files before: is what belongs there mounted? "
            "If it is to be empty, put a file there, or choose another --out"
        )


def _commit(ledger: Ledger, page: list[Found], seen: int) -> None:
    with ledger.writing():
        for found in page:
            _meet(ledger, found)
    progress.tell(progress.Progress(stage="scan", done=seen, total=seen))


def _meet(ledger: Ledger, found: Found) -> None:
    before = ledger.execute(
        "SELECT size, mtime_ns FROM file WHERE path = ?", (found.path,)
    ).fetchone()
    stamp = (found.size, found.mtime_ns)
    if before is None or tuple(before) != stamp or found.code:
        ledger.execute(
            "INSERT INTO file (path, size, mtime_ns, seen) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET size = excluded.size, "
            "mtime_ns = excluded.mtime_ns, seen = excluded.seen, probed = NULL",
            (found.path, *stamp, ledger.run),
        )
    else:
        ledger.execute("UPDATE file SET seen = ? WHERE path = ?", (ledger.run, found.path))
        ledger.execute(
            "UPDATE item SET status = 'pending', code = '', reason = '' "
            "WHERE path = ? AND code = 'gone'",
            (found.path,),
        )
    if before is None or found.code:
        _plain_row(ledger, found)


def _plain_row(ledger: Ledger, found: Found) -> None:
    """Give a name that will not be read, or not yet, its single row."""
    if found.code:
        ledger.execute("DELETE FROM item WHERE path = ? AND part != ''", (found.path,))
        ledger.execute("UPDATE file SET probed = -1 WHERE path = ?", (found.path,))
    status = found.status if found.code else "pending"
    ledger.execute(
        "INSERT INTO item (id, path, part, ordinal, status, code, reason, failed) "
        "VALUES (?, ?, '', 0, ?, ?, ?, 'scan') ON CONFLICT (id) DO UPDATE SET "
        "status = excluded.status, code = excluded.code, reason = excluded.reason",
        (item_id(found.path, ""), found.path, status, found.code, found.reason),
    )


def _mark_gone(ledger: Ledger) -> None:
    gone = "path IN (SELECT path FROM file WHERE seen != ?)"
    with ledger.writing():
        ledger.execute(f"DELETE FROM item WHERE slot IS NULL AND {gone}", (ledger.run,))
        ledger.execute(
            "UPDATE item SET status = 'skipped', code = 'gone', "
            "reason = 'no longer in the source; its results stay in the store' "
            f"WHERE {gone}",
            (ledger.run,),
        )
        # Looked at again when it returns: some of its rows may have been dropped above.
        ledger.execute("UPDATE file SET probed = NULL WHERE seen != ?", (ledger.run,))
