"""A bounded number of batches in flight over a Dask client, whatever happens to its workers."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import dask

from tasks import fitness, progress
from tasks.errors import ClusterLost, UsageError
from tasks.ledger import Outcome

if TYPE_CHECKING:  # these import what stands here
    from tasks.batches import Batch, Carrier, Order, Work

DRAIN_SECONDS = 10.0
LOOK_SECONDS = 2.0
PATIENCE = 60.0
MOST_SENT_AWAY = 32
LOST = "the Dask scheduler is gone; what was committed is kept: run the same command again to go on"


def carry_if_fit(work: Work, order: Order, batch: Batch) -> list[Outcome]:
    """Do a batch in a worker, unless that joined since the run began, and is not fit for it."""
    if fault := order.fault():
        raise fitness.Unfit(fault)
    return work(order, batch)


def unfit_workers(client: Any, order: Order) -> dict[str, str]:  # noqa: ANN401
    """Return the workers of a Dask client that may not carry a run, with what is at fault."""
    answers = client.run(order.fault, on_error="return")
    return {address: fitness.words(answer) for address, answer in answers.items() if answer}


def patience() -> float:
    """Return how many seconds a cluster may be without a worker; `scalemark.patience` in Dask."""
    return float(dask.config.get("scalemark.patience", PATIENCE))


class Window:
    """A bounded number of batches in flight over a Dask client."""

    def __init__(self, client: Any, work: Work, order: Order, carrier: Carrier) -> None:  # noqa: ANN401
        self.client, self.work, self.order, self.carrier = client, work, order, carrier
        self.flight: dict[Any, Batch] = {}
        self.alone: deque[Batch] = deque()
        self.width, self.width_until = 1, 0.0
        self.sent_away = 0

    def run(self, batches: Iterator[Batch]) -> None:
        """Carry all batches; they are consumed as there is room."""
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
                if time.monotonic() - deserted > patience():
                    raise ClusterLost(
                        f"no Dask worker has been left for {patience():.0f} s; what was "
                        "committed is kept: run the same command again to go on"
                    )

    def _room(self) -> int:
        if time.monotonic() > self.width_until:
            most = int(dask.config.get("scalemark.most-workers", 1))
            self.width = 2 * max(most, self._workers())
            self.width_until = time.monotonic() + 5.0
        return self.width

    def _workers(self) -> int:
        try:
            return len(self.client.nthreads())
        except (OSError, TimeoutError) as error:
            raise ClusterLost(LOST) from error

    def _submit(self, batch: Batch) -> None:
        key = f"{self.work.__name__}-{uuid.uuid4().hex}"
        future = self.client.submit(carry_if_fit, self.work, self.order, batch, key=key)
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
            if fitness.is_unfit(error) and self._send_away():
                self._submit(batch)
            else:
                self.alone.extend(self.carrier.fail(batch, error))
        else:
            self.carrier.finish(outcomes)
        future.release()

    def _send_away(self) -> bool:
        """Retire the workers that are not fit for the run; tell whether there were any."""
        unfit = unfit_workers(self.client, self.order)
        for address, fault in unfit.items():
            text = f"worker {address} {fault}, and is sent away: {fitness.REMEDY}"
            progress.tell(progress.Note(stage=self.carrier.stage, text=text))
        self.sent_away += len(unfit)
        if self.sent_away > MOST_SENT_AWAY:
            raise UsageError(f"{self.sent_away} unfit workers came, the last: {text}")
        if unfit:
            self.client.retire_workers(list(unfit))
        return bool(unfit)

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
