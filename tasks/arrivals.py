"""What has arrived in a source since the last run: found by listing it, nothing is opened."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from tasks.ledger import Ledger
from tasks.output import Output
from tasks.scan import walk


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """Files that a run would find new or changed."""

    count: int = 0
    key: str = ""
    """A hash of their names, sizes and times; another file, another key."""


def arrivals(source: Path, output: Output) -> Arrivals:
    """List `source` and return what the ledger of `output` does not know.

    Parameters
    ----------
    source : Path
        A folder, or one file; only listed.
    output : Output
        Where a run has put its results; before the first run nothing counts as arrived.
    """
    if not output.ledger.exists():
        return Arrivals()
    count, digest = 0, blake2b(digest_size=16)
    with Ledger(output.ledger) as ledger:
        for found in walk(source, output.root):
            if found.code:
                continue
            stamp = (found.path, found.size, found.mtime_ns)
            known = "SELECT count(*) FROM file WHERE path = ? AND size = ? AND mtime_ns = ?"
            if not ledger.number(known, stamp):
                count += 1
                digest.update(repr(stamp).encode())
    return Arrivals(count=count, key=digest.hexdigest() if count else "")
