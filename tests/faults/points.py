"""The points where a run writes, counted, and a fault at one of them."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq

from tasks.ledger import Ledger

Fault = Callable[[str], None]

RENAMES = ((Path, "replace"),)
"""A chunk, metadata, a table, the report: each is written beside its place and renamed."""
WRITES = (*RENAMES, (pq.ParquetWriter, "write_table"))


class Counter:
    """Lets a fault happen at the `fatal`-th point, or at none."""

    def __init__(self, fatal: int, fault: Fault) -> None:
        self.fatal, self.fault, self.met = fatal, fault, 0

    def meet(self, kind: str) -> None:
        self.met += 1
        if self.met == self.fatal:
            self.fault(kind)

    def before(self, function: Callable[..., object], kind: str) -> Callable[..., object]:
        def counted(*args: object, **options: object) -> object:
            self.meet(kind)
            return function(*args, **options)

        return counted


def die(_: str) -> None:
    """Vanish as a killed process does: nothing is flushed, closed or rolled back."""
    os._exit(137)


def run_full(kind: str) -> None:
    """Refuse a write as a full file system does."""
    if kind == "commit":
        raise sqlite3.OperationalError("database or disk is full")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def counted(fatal: int, fault: Fault, points: tuple[tuple[object, str], ...]) -> Iterator[Counter]:
    """Count the points of a run, and the ledger's commits."""
    counter = Counter(fatal, fault)
    writing = Ledger.writing

    @contextmanager
    def counted_writing(ledger: Ledger) -> Iterator[None]:
        with writing(ledger):
            yield
            counter.meet("commit")

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(Ledger, "writing", counted_writing))
        for owner, name in points:
            function = counter.before(getattr(owner, name), name)
            patches.enter_context(mock.patch.object(owner, name, function))
        yield counter
