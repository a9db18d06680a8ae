"""Apply a trained model: the probability of every label for each item of its kind."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks import batches, chunks, progress, session, worklist
from tasks.batches import Batch, Item, Order
from tasks.components import write_components
from tasks.errors import UsageError
from tasks.learning import learned
from tasks.learning.card import tell_foreign_card
from tasks.learning.features import differences, learnt_from, marks
from tasks.learning.learned import STEP, Applied
from tasks.learning.model import Model, needed_steps, read_model, unknown_features
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.output import Output
from tasks.report.write import write_report
from tasks.scalars import names, numbers, read_leniently
from tasks.store import LEARNED, Stack, stacks
from tasks.table import write_tables

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Applying:
    """What came of it."""

    kind: str
    labelled: int
    """Items that were labelled now; the others were up to date."""
    counts: dict[str, int]
    """All items of the kind by predicted label, the commonest first."""
    waiting: int
    """Items without a label: their features are not made, or not as the model needs them."""
    failed: Mapping[str, int]
    """Those of them that could not be labelled, by the reason."""
    output: Output


def apply(out: Path, model_path: Path) -> Applying:
    """Label the items of a run with a trained model: store, table and report.

    Raises
    ------
    tasks.errors.RunError
        If the model does not fit the store, or the output is not there, in use or not writeable.
    """
    model = read_model(model_path)
    tell_foreign_card(model_path, model)
    with session.held(out) as order:
        with Ledger(order.output.ledger) as ledger:
            require_fit(ledger, model, model_path)
            stale = _label(ledger, order, model, model_path)
            failed = Counter(ledger.failed_aside(STEP, model.kind).values())
        write_tables(order)
        write_components(order)
        write_report(order)
        return _came_of_it(order, model, stale, failed)


def _came_of_it(order: Order, model: Model, stale: int, failed: Counter[str]) -> Applying:
    columns = ["kind", "status", "predicted", *model.features]
    table = pq.read_table(order.output.parquet, columns=columns)
    done = pc.is_in(table["status"], pa.array(["ok", "flagged"]))
    table = table.filter(pc.and_(done, pc.equal(table["kind"], model.kind)))
    found = Counter(table["predicted"].to_pylist())
    waiting = found.pop(None, 0)
    _tell_unforeseen(model, table.filter(pc.is_valid(table["predicted"])))
    return Applying(
        kind=model.kind,
        labelled=stale - failed.total(),
        counts=dict(found.most_common()),
        waiting=waiting,
        failed=failed,
        output=order.output,
    )


def _tell_unforeseen(model: Model, table: Any) -> None:  # noqa: ANN401
    columns = [table[name].to_numpy(zero_copy_only=False) for name in model.features]
    values = np.stack(columns, axis=1).astype(np.float64)
    for name, count in model.rule.design.unforeseen(values).items():
        text = (
            f"{name} is missing in {count} items, and in none that the rule was trained on: "
            "the median takes its place"
        )
        progress.tell(progress.Note(stage=STEP, text=text))


def require_fit(ledger: Ledger, model: Model, path: Path) -> None:
    """Refuse a model whose features are not those of the store.

    Raises
    ------
    UsageError
        Naming every difference.
    """
    faults = [f"{name}: this scalemark has no such feature" for name in unknown_features(model)]
    if not faults:
        steps = needed_steps(model)
        expected = {step: model.steps[step] for step in steps if step in model.steps}
        faults = differences(expected, marks(ledger, model.kind, steps))
        faults += [f"{step}: the model does not tell how it was made" for step in steps
                   if step not in expected]  # fmt: skip
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(
            f"{path} was trained on features that this store does not have:\n{lines}\n"
            "run with the parameters of then, or train again on this store"
        )


def _label(ledger: Ledger, order: Order, model: Model, path: Path) -> int:
    """Do what is stale; returns how many items that was."""
    mark = fingerprint(VERSION, {"model": model.digest})
    needs = {step: model.steps[step] for step in needed_steps(model)}
    step = worklist.Step(name=STEP, kind=model.kind, mark=mark, needs=needs, aside=True)
    with ledger.writing():
        learned.remember(ledger, _applied(model, mark, path))
    worklist.make_room(
        ledger,
        order.output,
        step,
        LEARNED[model.kind],
        labels=list(model.labels),
        model=path.name,
    )
    _forget(ledger, order, step)
    stale = worklist.begin(ledger, step)
    batches.carry(
        _whole_chunks(ledger, step),
        label_batch,
        order.asking(model),
        stage=f"{STEP} {model.kind}s",
        total=sum(len(batch.items) for batch in _whole_chunks(ledger, step)),
        commit=worklist.commit(ledger, step),
    )
    return stale


def _applied(model: Model, mark: str, path: Path) -> Applied:
    return Applied(
        kind=model.kind,
        labels=model.labels,
        mark=mark,
        model=path.name,
        trained=str(model.made.get("when", "")),
        summary=str(model.evaluation.get("summary", "")),
    )


OLD = f"""
DELETE FROM done WHERE step = '{STEP}' AND item IN (
    SELECT item.id FROM item JOIN done ON done.item = item.id AND done.step = '{STEP}'
    WHERE item.kind = :kind AND """
INSIDE = "item.stack = :stack AND item.slot >= :start AND item.slot < :end"


def _forget(ledger: Ledger, order: Order, step: worklist.Step) -> None:
    """Take results that are outdated, or whose chunk is damaged, for not done."""
    with ledger.writing():
        gone = ledger.execute(f"{OLD} {learned.OUTDATED})", {"kind": step.kind}).rowcount
        for stack, start in _damaged(order, step.kind):
            end = start + stack.slots_per_chunk
            place = {"kind": step.kind, "stack": stack.name, "start": start, "end": end}
            ledger.execute(f"{OLD} {INSIDE})", place)
    if gone:
        noun = "item is" if gone == 1 else "items are"
        text = f"{gone} {noun} labelled again: their features were computed anew"
        progress.tell(progress.Note(stage=STEP, text=text))


def _damaged(order: Order, kind: str) -> Iterator[tuple[Stack, int]]:
    """Yield the chunks of labels that are missing or damaged."""
    root = order.output.store
    for stack in stacks(root, LEARNED[kind][0].tree, kind):
        bad: set[int] = set()
        for variable in LEARNED[kind]:
            read_leniently(root, variable, stack, bad)
        yield from ((stack, number * stack.slots_per_chunk) for number in sorted(bad))


def _whole_chunks(ledger: Ledger, step: worklist.Step) -> Iterator[Batch]:
    """Yield whole chunks wherever an item is stale, so that no old result must be kept."""
    for batch in worklist.work_list(ledger, step):
        end = batch.start + Stack.parse(step.kind, batch.stack).slots_per_chunk
        rows = ledger.rows(
            f"SELECT id, slot FROM item WHERE kind = :kind AND {INSIDE} "
            f"AND status IN ('ok', 'flagged') {worklist.READY} ORDER BY slot",
            {**step.values, "stack": batch.stack, "start": batch.start, "end": end},
        )
        items = tuple(Item(id=row["id"], kind=step.kind, slot=row["slot"]) for row in rows)
        yield Batch(stack=batch.stack, start=batch.start, items=items)


def label_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Label the items of one chunk; may run in a worker."""
    root = order.output.store
    model: Model = order.params
    stack = Stack.parse(model.kind, batch.stack)
    slots = [item.slot for item in batch.items]
    values = _features(order, model, stack, batch)
    chances = model.rule.probabilities(values)
    if order.still_valid():
        alone = batch.attempts > 0  # one of a batch that failed: it must keep its neighbours
        told = (chances, chances.argmax(axis=1) + 1)
        for variable, values in zip(LEARNED[model.kind], told, strict=True):
            by_slot = dict(zip(slots, values, strict=True))
            chunks.update(root, variable, stack, batch.start, by_slot, afresh=not alone)
    return [Outcome(item=item.id) for item in batch.items]


def _features(order: Order, model: Model, stack: Stack, batch: Batch) -> Any:  # noqa: ANN401
    chunk = slice(batch.start, batch.start + stack.slots_per_chunk)
    rows = [item.slot - batch.start for item in batch.items]
    found: dict[str, Any] = {}
    for feature in learnt_from(model.kind):
        if set(names(feature)) & set(model.features):
            found |= numbers(
                feature, lambda one: chunks.read(order.output.store, one, stack, chunk)[rows]
            )
    return np.stack([found[name] for name in model.features], axis=1).astype(np.float64)
