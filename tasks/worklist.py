"""What a step has to do: items whose result is missing or stale, in whole-chunk batches."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from sqlite3 import Row

from tasks import batches, chunks, progress
from tasks.batches import Batch, Item, Order, Work
from tasks.ledger import Ledger, Outcome, why_stale
from tasks.output import Output
from tasks.store import Stack, Variable

PAGE = 512

READY = """
AND NOT EXISTS (
    SELECT 1 FROM json_each(:needs) AS need WHERE NOT EXISTS (
        SELECT 1 FROM done AS early WHERE early.item = item.id AND early.step = need.key
        AND early.hash = item.hash AND early.fingerprint = need.value))
"""
"""The earlier steps that an item must have passed are passed."""

STALE = f"""
FROM item LEFT JOIN done ON done.item = item.id AND done.step = :step
WHERE item.kind = :kind AND item.slot IS NOT NULL
AND (item.status IN ('ok', 'flagged')
     OR (NOT :aside AND (item.status = 'pending'
                         OR (item.status = 'quarantined' AND item.failed = :step))))
AND (done.item IS NULL OR done.hash != item.hash OR done.fingerprint != :mark)
{READY}
AND (:chosen IS NULL OR item.id IN (SELECT value FROM json_each(:chosen)))
"""


OLD_FAILURES = """
DELETE FROM aside WHERE step = :step AND item IN (SELECT id FROM item WHERE kind = :kind
AND (:chosen IS NULL OR id IN (SELECT value FROM json_each(:chosen))))
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What names a step's results and tells whether they are current."""

    name: str
    kind: str
    mark: str
    needs: Mapping[str, str] = field(default_factory=dict)
    """Marks of the earlier steps that an item must have passed."""
    chosen: frozenset[int] | None = None
    """The only items that it is for."""
    aside: bool = False
    """Its results stand beside the run's: it takes items that have a verdict, and changes none."""

    @property
    def values(self) -> dict[str, str | bool | None]:
        """What `STALE` asks for."""
        return {
            "step": self.name,
            "kind": self.kind,
            "mark": self.mark,
            "needs": json.dumps(dict(self.needs)),
            "chosen": None if self.chosen is None else json.dumps(sorted(self.chosen)),
            "aside": self.aside,
        }


def reserve(ledger: Ledger, output: Output, kind: str, variables: tuple[Variable, ...]) -> None:
    """Give every item of a kind its slot, and the store the room, before anything is written.

    New items begin a new chunk, so that no batch of a later run shares one with a batch of an
    earlier run whose last worker may still be writing.
    """
    names = ledger.rows(
        "SELECT stack, count(*) AS n FROM item WHERE kind = ? AND slot IS NULL "
        "AND status = 'pending' GROUP BY stack",
        (kind,),
    )
    for name, count in names:
        stack = Stack.parse(kind, name)
        per_chunk = stack.slots_per_chunk
        held = ledger.number("SELECT max(slots) FROM stack WHERE name = ?", (name,))
        room = held + -(-count // per_chunk) * per_chunk
        chunks.ensure(output.store, stack, variables, room)
        with ledger.writing():
            ledger.execute(
                "UPDATE item SET slot = ? + place.n FROM (SELECT id AS place_id, "
                "row_number() OVER (ORDER BY path, ordinal) - 1 AS n FROM item "
                "WHERE stack = ? AND slot IS NULL AND status = 'pending') AS place "
                "WHERE id = place.place_id",
                (held, name),
            )
            ledger.execute("INSERT OR REPLACE INTO stack VALUES (?, ?)", (name, room))


def make_room(
    ledger: Ledger,
    output: Output,
    step: Step,
    variables: tuple[Variable, ...],
    **provenance: str | list[str],
) -> None:
    """Make a step's variables in every stack, and write beside them what they are made with."""
    names = ledger.rows(
        "SELECT name, slots FROM stack WHERE name IN "
        "(SELECT DISTINCT stack FROM item WHERE kind = ?)",
        (step.kind,),
    )
    for name, slots in names:
        stack = Stack.parse(step.kind, name)
        chunks.ensure(output.store, stack, variables, slots)
        chunks.describe(output.store, variables, stack, {"params": step.mark, **provenance})


def carry_out(ledger: Ledger, step: Step, order: Order, work: Work) -> int:
    """Do a step for every item whose result is missing or stale; returns how many."""
    total = begin(ledger, step)
    batches.carry(
        work_list(ledger, step),
        work,
        order,
        stage=f"{step.name} {step.kind}s",
        total=total,
        commit=commit(ledger, step),
    )
    return total


def commit(ledger: Ledger, step: Step) -> Callable[[list[Outcome]], None]:
    """Return what commits a batch's outcomes."""
    record = ledger.record_aside if step.aside else ledger.record
    return lambda outcomes: record(step.name, step.mark, outcomes)


def begin(ledger: Ledger, step: Step) -> int:
    """Mark what is stale as pending, say why it is done again, return how many items."""
    values = step.values
    reasons: Counter[str] = Counter()
    total = 0
    query = (
        "SELECT done.fingerprint, done.hash = item.hash, count(*) "
        f"{STALE} GROUP BY done.fingerprint, done.hash = item.hash"
    )
    for old, same, count in ledger.execute(query, values):
        reasons[why_stale(old, step.mark, same_input=bool(same))] += count
        total += count
    for reason, count in reasons.items():
        if reason != "new":
            noun = "item" if count == 1 else "items"
            progress.tell(
                progress.Note(stage=step.name, text=f"{count} {noun} done again: {reason}")
            )
    if step.aside:
        with ledger.writing():
            ledger.execute(OLD_FAILURES, values)
        return total
    with ledger.writing():
        ledger.execute(
            f"UPDATE item SET status = 'pending' WHERE id IN (SELECT item.id {STALE} "
            "AND item.status IN ('ok', 'flagged'))",
            values,
        )
    return total


def work_list(ledger: Ledger, step: Step) -> Iterator[Batch]:
    """Yield the stale items of a step, batched by the chunk they lie in; a page at a time."""
    stack, slot = "", -1
    while rows := _page(ledger, step, stack, slot):
        yield from _batches(ledger, rows, step)
        stack, slot = rows[-1]["stack"], rows[-1]["slot"]


def _page(ledger: Ledger, step: Step, stack: str, slot: int) -> list[Row]:
    """Return the next rows in order of place, cut where a chunk ends."""
    values = {**step.values, "stack": stack, "slot": slot}
    rows = ledger.rows(
        "SELECT item.*, file.size, file.mtime_ns "
        f"{STALE.replace('WHERE', 'JOIN file ON file.path = item.path WHERE', 1)} "
        "AND (item.stack, item.slot) > (:stack, :slot) "
        f"ORDER BY item.stack, item.slot LIMIT {PAGE}",
        values,
    )
    if len(rows) == PAGE:
        last = _chunk(rows[-1], step.kind)
        whole = [row for row in rows if _chunk(row, step.kind) != last]
        return whole or rows
    return rows


def _chunk(row: Row, kind: str) -> tuple[str, int]:
    count = Stack.parse(kind, row["stack"]).slots_per_chunk
    return row["stack"], row["slot"] // count * count


def _batches(ledger: Ledger, rows: list[Row], step: Step) -> Iterator[Batch]:
    for (stack, start), group in groupby(rows, key=lambda row: _chunk(row, step.kind)):
        batch = Batch(stack=stack, start=start, items=tuple(_item(row) for row in group))
        yield replace(batch, shared=_is_shared(ledger, step, batch))


def _is_shared(ledger: Ledger, step: Step, batch: Batch) -> bool:
    """Tell whether items outside the batch have results of the step in its chunk."""
    end = batch.start + Stack.parse(step.kind, batch.stack).slots_per_chunk
    held = ledger.rows(
        "SELECT id FROM item JOIN done ON done.item = item.id AND done.step = ? "
        "WHERE stack = ? AND slot >= ? AND slot < ? AND failed != ?",
        (step.name, batch.stack, batch.start, end, step.name),
    )
    return not {row["id"] for row in held} <= {item.id for item in batch.items}


def _item(row: Row) -> Item:
    shape = (row["samples"],) if row["kind"] == "signal" else (row["height"], row["width"])
    return Item(
        id=row["id"],
        path=row["path"],
        part=row["part"],
        kind=row["kind"],
        format=row["format"],
        slot=row["slot"],
        shape=shape,
        size=row["size"],
        mtime_ns=row["mtime_ns"],
    )
