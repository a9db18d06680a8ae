"""One run per output folder: those that a server started wait for their turn, others are refused.

Two things keep order. A concurrency limit of the server's, named after the folder, lets queued runs
go one after another; it may outlive a run that died. The folder's own lock has the last word: the
kernel drops it whenever its owner dies.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

from tasks import lock
from tasks.output import Output

LEASE_SECONDS = 60.0
HURRY_SECONDS = 2.0
QUEUE_SECONDS = 30.0
"""A run has its folder by then: a place that is held longer, of a folder nobody has, is stale."""
LOOK_SECONDS = 2.0


def limit_name(out: Path) -> str:
    """Return what the server calls the limit of an output folder."""
    path = str(out.absolute())
    word = "".join(c if c.isalnum() else "-" for c in out.name)[:40]
    return f"scalemark-{word}-{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"


def make_limit(out: Path) -> str:
    """Make the limit of an output folder on the server, if it is not there, and return its name."""
    name = limit_name(out)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    return name


@contextmanager
def turn(out: Path, logger: Any) -> Iterator[None]:  # noqa: ANN401
    """Wait, in a run that a server started, until no other run uses `out`."""
    if not runtime.deployment.id:
        yield
        return
    output = Output(out.absolute())
    release = _queued(make_limit(out), output, logger)
    try:
        _await_lock(output, logger)
        yield
    finally:
        # The API may be gone by now; the lease ends by itself.
        with suppress(Exception):
            release()


def _queued(name: str, output: Output, logger: Any) -> Callable[[], None]:  # noqa: ANN401
    """Take the limit's only place; go on without where it is held by nobody who runs."""
    patience = HURRY_SECONDS
    while True:
        place = concurrency(
            name,
            timeout_seconds=patience,
            lease_duration=LEASE_SECONDS,
            raise_on_lease_renewal_failure=False,
        )
        try:
            place.__enter__()
        except TimeoutError:
            if patience == QUEUE_SECONDS and not lock.owner(output.lock):
                return lambda: None
            logger.info("another run of %s has the turn: waiting for its end", output.root)
            patience = QUEUE_SECONDS
        else:
            return partial(_leave, place)


def _leave(place: AbstractContextManager[None]) -> None:
    place.__exit__(None, None, None)


def _await_lock(output: Output, logger: Any) -> None:  # noqa: ANN401
    """Wait for the end of a run that no server started."""
    told = ""
    while owner := lock.owner(output.lock):
        if owner != told:
            logger.info("%s is in use by %s: waiting for its end", output.root, owner)
            told = owner
        time.sleep(LOOK_SECONDS)
