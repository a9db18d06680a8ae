"""What every flow does around its work: it waits for its turn, shows progress, and publishes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import get_run_logger, runtime
from prefect.context import TagsContext
from prefect.states import Cancelled, Failed

from flows.page import Page
from flows.turns import covered, turn
from tasks.changes import compare, snapshot
from tasks.errors import RunError
from tasks.output import Output
from tasks.progress import Listener
from tasks.summary import Summary


def carried(out: Path, work: Callable[[Listener], Summary]) -> Any:  # noqa: ANN401
    """Do the work of a flow; return its counts, or, run by a server, a failure in plain words.

    Parameters
    ----------
    out : Path
        The output folder.
    work : callable
        Does the work, telling the listener how it goes.
    """
    logger = get_run_logger()
    output = Output(out.absolute())
    try:
        # A step with the run's tags would ask the API for a place in their limits: not without it.
        with TagsContext(current_tags=set()), turn(out, logger), Page(logger) as page:
            if other := covered(logger):
                return Cancelled(message=f"all that was due has been done by the run {other}")
            before = snapshot(output)
            summary = work(page)
            changes = None if before is None else compare(before, snapshot(output))
            page.publish(summary, changes)
    except RunError as error:
        if not runtime.deployment.id:
            raise  # the command line explains it
        return Failed(message=str(error))
    counts = ", ".join(f"{number} {name}" for name, number in summary.counts.items() if number)
    logger.info("%s; report: %s", counts, os.fspath(summary.output.report))
    return summary.counts


def run_name() -> str:
    """Return what a run is called in the lists: what it reads, or where it works."""
    given = runtime.flow_run.parameters
    out = Path(str(given.get("out", ""))).name
    source = given.get("source")
    name = f"{Path(str(source)).name} into {out}" if source else out
    return f"{name[:150]} {runtime.flow_run.scheduled_start_time:%d %b %H:%M}"
