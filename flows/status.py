"""`scalemark status`: how far a run is, in a terminal."""

from pathlib import Path
from typing import Any

from flows.terminal import counts_line
from tasks import lock
from tasks.ledger import Ledger
from tasks.output import Output


def show_status(console: Any, out: Path) -> int:  # noqa: ANN401
    """Print counts, runs and reasons of the run in `out`; 3 where items are quarantined."""
    output = Output(out.absolute())
    with Ledger(output.ledger) as ledger:
        counts = ledger.counts()
        runs = ledger.rows("SELECT * FROM run ORDER BY id DESC LIMIT 5")
        codes = ledger.rows(
            "SELECT code, count(*) AS n FROM item WHERE status = 'quarantined' "
            "GROUP BY code ORDER BY n DESC"
        )
    console.print(counts_line(counts))
    for code, number in codes:
        console.print(f"  quarantined: {number} {code}")
    owner = lock.owner(output.lock)
    console.print(f"in use by {owner}" if owner else "no run is going on here")
    for run in runs:
        end = run["finished"] or ("still going on" if owner and run is runs[0] else "cut short")
        console.print(f"  run {run['id']}: started {run['started']}, finished {end}")
    return 3 if counts["quarantined"] else 0
