"""What a run comes to, in a few numbers and names."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.ledger import STATUSES, Ledger
from tasks.output import Output

WORST, REFUSALS = 20, 200
"""How many are named."""


@dataclass(frozen=True, kw_only=True)
class Worst:
    """One of the worst items."""

    item: int
    path: str
    part: str
    score: float
    reason: str

    @property
    def name(self) -> str:
        """Path and part."""
        return f"{self.path} ({self.part})" if self.part else self.path


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One of the items that could not be processed."""

    path: str
    part: str
    code: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts by status, the first of the worst images and refusals, and where things lie."""

    counts: dict[str, int]
    kinds: dict[str, int]
    worst: tuple[Worst, ...]
    quarantined: dict[str, int]
    refusals: tuple[Refusal, ...]
    output: Output


def summarise(output: Output) -> Summary:
    """Read a run's summary back from its table."""
    columns = ["item", "path", "part", "status", "kind", "code", "reason", "piqe"]
    table = pq.read_table(output.parquet, columns=columns)
    scores = table["piqe"].to_numpy(zero_copy_only=False)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = [int(n) for n in np.argsort(-scores, kind="stable")[:WORST] if scores[n] > -np.inf]
    status = Counter(table["status"].to_pylist())
    refused = table.filter(pc.equal(table["status"], "quarantined"))
    return Summary(
        counts={name: status[name] for name in STATUSES},
        kinds=dict(Counter(kind for kind in table["kind"].to_pylist() if kind)),
        worst=tuple(
            Worst(
                item=table["item"][n].as_py(),
                path=table["path"][n].as_py(),
                part=table["part"][n].as_py(),
                score=float(scores[n]),
                reason=table["reason"][n].as_py(),
            )
            for n in order
        ),
        quarantined=dict(Counter(refused["code"].to_pylist())),
        refusals=tuple(
            Refusal(path=row["path"], part=row["part"], code=row["code"], reason=row["reason"])
            for row in refused.slice(0, REFUSALS).to_pylist()
        ),
        output=output,
    )


def counts_now(output: Output) -> dict[str, int]:
    """Return the counts of a run that may still go on."""
    with Ledger(output.ledger) as ledger:
        return ledger.counts()
