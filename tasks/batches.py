"""The one engine: carries batches of items over a Dask client, or one after another without one.

A batch owns whole chunks of the store, so no two workers ever write the same one. Its outcomes are
committed when it completes. A batch that fails is carried again item by item, one at a time; an
item that fails alone, twice, is quarantined. Only a bounded number of batches is in flight.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks import lock, progress
from tasks.errors import ClusterLost, RunError
from tasks.ledger import Outcome
from tasks.output import Output

DRAIN_SECONDS = 10.0
LOOK_SECONDS = 2.0
DESERTED_SECONDS = 60.0
ATTEMPTS_ALONE = 2
LOST = "the Dask scheduler is gone; what was committed is kept: run the same command again to go on"


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
    params: Any = None
    item_timeout: float = 600.0

    def asking(self, params: Any) -> "Order":  # noqa: ANN401
        """Return the same order with a step's parameters."""
        return replace(self, params=params)

    def still_valid(self) -> bool:
        """Tell a worker of the living run from a late one of a run that has died since."""
        return lock.is_current(self.output.lock, self.token)


Work = Callable[[Order, Batch], list[Outcome]]


@dataclass
class _Carrier:
    """The state of one step's carriage."""

    stage: str
    total: int
    commit: Callable[[list[Outcome]], None]
    done: int = 0
    pixels: int = 0

    def finish(self, outcomes: list[Outcome]) -> None:
        self.commit(outcomes)
        self.done += len(outcomes)
        self.pixels += sum(outcome.pixels for outcome in outcomes)
        self.tell()

    def tell(self) -> None:
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
    carrier = _Carrier(stage, total, commit)
    carrier.tell()
    client = current_client()
    if client is None:
        # There is no worker to end here, only the caller's own process.
        _carry_here(batches, work, replace(order, item_timeout=math.inf), carrier)
    else:
        _Window(client, work, order, carrier).run(iter(batches))


def current_client() -> Any:  # noqa: ANN401
    """Return the Dask client that the caller opened, or None."""
    from distributed.client import default_client

    try:
        return default_client()
    except ValueError:
        return None


def _carry_here(batches: Iterable[Batch], work: Work, order: Order, carrier: _Carrier) -> None:
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


class _Window:
    """A bounded number of batches in flight over a Dask client."""

    def __init__(self, client: Any, work: Work, order: Order, carrier: _Carrier) -> None:  # noqa: ANN401
        self.client, self.work, self.order, self.carrier = client, work, order, carrier
        self.flight: dict[Any, Batch] = {}
        self.alone: deque[Batch] = deque()
        self.width, self.width_until = 1, 0.0

    def run(self, batches: Iterator[Batch]) -> None:
        try:
            self._fill(batches)
            while self.flight:
                for future in self._landed():
                    self._settle(future)
                self._fill(batches)
        except KeyboardInterrupt:
            self._drain()
            raise
        finally:
            if self.flight and self.client.status == "running":
                self.client.cancel(list(self.flight))

    def _fill(self, batches: Iterator[Batch]) -> None:
        """Keep the workers busy.

        After a failure, items go truly alone, so none is blamed for a worker that another killed.
        """
        if self.alone:
            if not self.flight:
                self._submit(self.alone.popleft())
            return
        while len(self.flight) < self._room():
            batch = next(batches, None)
            if batch is None:
                return
            self._submit(batch)

    def _landed(self) -> list[Any]:
        """Wait for batches that completed, one way or another.

        A result that its worker took along in death is "lost" and computed again: still in flight.
        """
        from distributed import wait

        deserted: float | None = None
        while True:
            landed = [f for f in self.flight if f.status in ("finished", "error", "cancelled")]
            if landed:
                return landed
            with suppress(TimeoutError, CancelledError):
                wait(list(self.flight), timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED")
            if self.client.status != "running" or self._workers():
                deserted = None
            else:
                deserted = deserted or time.monotonic()
                if time.monotonic() - deserted > DESERTED_SECONDS:
                    raise ClusterLost(
                        f"no Dask worker has been left for {DESERTED_SECONDS:.0f} s; what was "
                        "committed is kept: run the same command again to go on"
                    )

    def _room(self) -> int:
        if time.monotonic() > self.width_until:
            self.width = 2 * max(1, self._workers())
            self.width_until = time.monotonic() + 5.0
        return self.width

    def _workers(self) -> int:
        try:
            return len(self.client.nthreads())
        except (OSError, TimeoutError) as error:
            raise ClusterLost(LOST) from error

    def _submit(self, batch: Batch) -> None:
        future = self.client.submit(self.work, self.order, batch, pure=False)
        self.flight[future] = batch

    def _settle(self, future: Any) -> None:  # noqa: ANN401
        batch = self.flight.pop(future)
        if future.status == "cancelled":
            self._require_scheduler()
            self._submit(batch)
            return
        try:
            outcomes = future.result()
        except Exception as error:
            self._require_scheduler()
            self.alone.extend(self.carrier.fail(batch, error))
        else:
            self.carrier.finish(outcomes)
        future.release()

    def _require_scheduler(self) -> None:
        if self.client.status != "running":
            raise ClusterLost(LOST)

    def _drain(self) -> None:
        """After Ctrl-C: commit the batches that complete in time, drop the rest."""
        until = time.monotonic() + DRAIN_SECONDS
        while self.flight and time.monotonic() < until and self.client.status == "running":
            for future in [future for future in self.flight if future.done()]:
                del self.flight[future]
                with suppress(Exception):  # what is not committed now is done by the next run
                    self.carrier.finish(future.result())
            time.sleep(0.05)
