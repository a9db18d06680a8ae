"""One run per output folder: those that a server started wait for their turn, others are refused.

A concurrency limit of the server's, named after the folder, lets queued runs go one after another;
it may outlive a run that died. Two locks of the folder have the last word, for the kernel drops
them whenever their owner dies: one is held for the whole of a turn; the other, which runs without
a server take as well, while there is writing.

The deployments have no limits of their own: Prefect ends a run whose place there it cannot renew.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.concurrency.sync import concurrency

from tasks import lock
from tasks.errors import Busy
from tasks.output import Output

LEASE_SECONDS = 60.0
HURRY_SECONDS = 2.0
QUEUE_SECONDS = 30.0
"""A place that is held longer, while nobody has the folder or the turn, is stale."""
LOOK_SECONDS = 2.0
NIGHTLY = "nightly"
"""The tag of deployments whose missed runs are caught up by one."""


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
        with _held(output, logger):
            _await_free(output.lock, logger)  # by a run that no server started
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
            if patience == QUEUE_SECONDS and not (
                lock.owner(output.turn) or lock.owner(output.lock)
            ):
                return lambda: None
            logger.info("another run of %s has the turn: waiting for its end", output.root)
            patience = QUEUE_SECONDS
        else:
            return partial(_leave, place)


def _leave(place: AbstractContextManager[None]) -> None:
    place.__exit__(None, None, None)


@contextmanager
def _held(output: Output, logger: Any) -> Iterator[None]:  # noqa: ANN401
    """Hold the turn until the run's page is written: its cluster may be hours in coming."""
    source = runtime.flow_run.parameters.get("source")
    if not (output.root if source is None else Path(source)).exists():
        yield  # it will be refused at once, and is to leave no folder
        return
    with suppress(OSError):  # told by the lock
        output.root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        while True:
            _await_free(output.turn, logger)
            with suppress(Busy):
                stack.enter_context(lock.owned(output.turn))
                break
        yield


def _await_free(path: Path, logger: Any) -> None:  # noqa: ANN401
    """Wait until nobody owns a lock."""
    told = ""
    while owner := lock.owner(path):
        if owner != told:
            logger.info("%s is in use by %s: waiting for its end", path.parent, owner)
            told = owner
        time.sleep(LOOK_SECONDS)


def covered(logger: Any) -> str:  # noqa: ANN401
    """Say which run has done what this nightly one was due to do; nothing where none has.

    Of nights that were missed, the first to run does what was due at all of them.
    """
    deployment, due = runtime.deployment.id, runtime.flow_run.scheduled_start_time
    if not deployment or NIGHTLY not in runtime.flow_run.tags:
        return ""
    since = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[UUID(deployment)]),
        start_time=FlowRunFilterStartTime(after_=due),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
    )
    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=since, limit=1)
    except (HTTPError, OSError) as error:
        logger.warning("cannot ask for other nights' runs, and goes on: %s", error)
        return ""
    return found[0].name if found else ""
