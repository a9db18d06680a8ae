"""The one engine: carries batches of items over a Dask client, or one after another without one.

A batch owns whole chunks of the store, so no two workers ever write the same one. Its outcomes are
committed when it completes. A batch that fails is carried again item by item, one at a time; an
item that fails alone, twice, is quarantined. `tasks/window.py` bounds what is in flight.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks import fitness, lock, progress
from tasks.errors import RunError
from tasks.ledger import Outcome
from tasks.output import Output
from tasks.window import Window

ATTEMPTS_ALONE = 2


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a worker needs to know of one item."""

    id: int
    path: bytes = b""
    part: str = ""
    kind: str = ""
    format: str = ""
    slot: int = 0
    shape: tuple[int, ...] = ()
    size: int = 0
    mtime_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Items that one worker carries together; `start` is the first slot of their chunk.

    The chunk is `shared` if it holds results of items outside the batch too.
    """

    items: tuple[Item, ...]
    stack: str = ""
    start: int = 0
    shared: bool = False
    attempts: int = 0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every batch of a step is told, besides its items."""

    output: Output
    source: Path
    token: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What every worker's software must be."""
    reads: tuple[Path, ...] = ()
    """What every worker must see beside the output folder."""
    params: Any = None
    item_timeout: float = 600.0

    def asking(self, params: Any) -> "Order":  # noqa: ANN401
        """Return the same order with a step's parameters."""
        return replace(self, params=params)

    def still_valid(self) -> bool:
        """Tell a worker of the living run from a late one of a run that has died since."""
        return lock.is_current(self.output.lock, self.token)

    def fault(self) -> str:
        """Say why this process may not carry the run; empty if it may."""
        return fitness.fault(self.environment, self.reads, self.output.lock, self.token)


Work = Callable[[Order, Batch], list[Outcome]]


@dataclass
class Carrier:
    """The state of one step's carriage."""

    stage: str
    total: int
    commit: Callable[[list[Outcome]], None]
    done: int = 0
    pixels: int = 0

    def finish(self, outcomes: list[Outcome]) -> None:
        """Commit what a batch returned."""
        self.commit(outcomes)
        self.done += len(outcomes)
        self.pixels += sum(outcome.pixels for outcome in outcomes)
        self.tell()

    def tell(self) -> None:
        """Tell how far the step is."""
        progress.tell(
            progress.Progress(
                stage=self.stage, done=self.done, total=self.total, pixels=self.pixels
            )
        )

    def fail(self, batch: Batch, error: BaseException) -> list[Batch]:
        """Return what to carry alone in place of a batch that failed."""
        if isinstance(error, RunError):
            raise error
        if len(batch.items) > 1 or batch.attempts < ATTEMPTS_ALONE:
            attempts = batch.attempts + 1 if len(batch.items) == 1 else 1
            return [replace(batch, items=(item,), attempts=attempts) for item in batch.items]
        code, reason = _blame(error)
        self.finish([Outcome(item=batch.items[0].id, code=code, reason=reason)])
        return []


def _blame(error: BaseException) -> tuple[str, str]:
    name = type(error).__name__
    if name == "KilledWorker":
        return "crash", (
            "reading it killed its worker process each time, alone too: "
            "the decoder crashed, ran out of memory, or passed the time limit for one item"
        )
    if name == "DamagedChunk":
        return "store-damaged", f"{error}; --retry-failed reads it from the source again"
    return "internal", f"scalemark failed on it, please report: {name}: {error}"


def carry(
    batches: Iterable[Batch],
    work: Work,
    order: Order,
    *,
    stage: str,
    total: int,
    commit: Callable[[list[Outcome]], None],
) -> None:
    """Run `work(order, batch)` for every batch and commit what each returns.

    Parameters
    ----------
    batches : iterable of Batch
        Consumed lazily, so that memory does not grow with the number of items.
    work : callable
        A module-level function; runs in a worker process.
    order : Order
        Sent along with every batch.
    stage : str
        Name of the stage, for the progress.
    total : int
        Number of items.
    commit : callable
        Takes the outcomes of a batch; called here, in the coordinator.

    Raises
    ------
    ClusterLost
        When the scheduler is gone.
    RunError
        What `work` raises of this class ends the run: nothing else could be written either.
    """
    carrier = Carrier(stage, total, commit)
    carrier.tell()
    client = current_client()
    if client is None:
        # There is no worker to end here, only the caller's own process.
        _carry_here(batches, work, replace(order, item_timeout=math.inf), carrier)
    else:
        Window(client, work, order, carrier).run(iter(batches))


def current_client() -> Any:  # noqa: ANN401
    """Return the Dask client that the caller opened, or None."""
    from distributed.client import default_client

    try:
        return default_client()
    except ValueError:
        return None


def _carry_here(batches: Iterable[Batch], work: Work, order: Order, carrier: Carrier) -> None:
    for first in batches:
        waiting = deque([first])
        while waiting:
            batch = waiting.popleft()
            try:
                outcomes = work(order, batch)
            except Exception as error:
                waiting.extend(carrier.fail(batch, error))
            else:
                carrier.finish(outcomes)
