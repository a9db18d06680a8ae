"""Signals: their basic descriptors, and the frame of the steps that take them one by one."""

from collections.abc import Callable
from typing import Any

from core.descriptors import describe
from tasks import chunks, ingest, store, watchdog, worklist
from tasks.batches import Batch, Order
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.store import Stack, Variable

VERSION = 1
STEP = "describe"


def describe_signals(order: Order) -> None:
    """Describe every signal whose descriptors are missing or stale, into `descriptors`."""
    mark = fingerprint(VERSION, {"ingest version": ingest.VERSION})
    step = worklist.Step(name=STEP, kind="signal", mark=mark)
    with Ledger(order.output.ledger) as ledger:
        worklist.make_room(ledger, order.output, step, store.DESCRIPTORS)
        worklist.carry_out(ledger, step, order, describe_batch)


def describe_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Describe the series of one batch; runs in a worker."""
    root = order.output.store
    stack = Stack.parse("signal", batch.stack)
    chunk = slice(batch.start, batch.start + stack.slots_per_chunk)
    rows = [item.slot - batch.start for item in batch.items]
    values = chunks.read(root, store.SIGNAL, stack, chunk)[rows]
    length = chunks.read(root, store.LENGTH, stack, chunk)[rows]
    found = describe(values, length)
    if order.still_valid():
        for variable in store.DESCRIPTORS:
            column = getattr(found, variable.name)
            by_slot = {
                item.slot: float(value) for item, value in zip(batch.items, column, strict=True)
            }
            chunks.update(root, variable, stack, batch.start, by_slot, shared=batch.shared)
    return [Outcome(item=item.id, pixels=item.shape[0]) for item in batch.items]


def measure(
    order: Order,
    batch: Batch,
    variables: tuple[Variable, ...],
    work: Callable[[Any, Any, Any], dict[str, Any]],
) -> list[Outcome]:
    """Measure the series of one batch one by one, each within the time for an item.

    Parameters
    ----------
    order, batch
        As the engine hands them to a step's batch function.
    variables : tuple of Variable
        What is kept of a series.
    work : callable
        Takes x, y and the order's parameters; returns a value for each variable's name.
    """
    root = order.output.store
    stack = Stack.parse("signal", batch.stack)
    chunk = slice(batch.start, batch.start + stack.slots_per_chunk)
    signals, x, lengths = (
        chunks.read(root, variable, stack, chunk)
        for variable in (store.SIGNAL, store.X, store.LENGTH)
    )
    found: dict[Variable, dict[int, Any]] = {variable: {} for variable in variables}
    for item in batch.items:
        row = item.slot - batch.start
        inside = slice(0, lengths[row])
        with watchdog.deadline(order.item_timeout):
            values = work(x[row, inside], signals[row, inside], order.params)
        for variable in variables:
            found[variable][item.slot] = values[variable.name]
    if order.still_valid():
        for variable, by_slot in found.items():
            chunks.update(root, variable, stack, batch.start, by_slot, shared=batch.shared)
    return [Outcome(item=item.id, pixels=item.shape[0]) for item in batch.items]
