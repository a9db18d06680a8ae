"""The pipeline on a cluster: what the Prefect flow and the direct command line share."""

import os
from collections.abc import Callable
from pathlib import Path

from flows import cluster
from tasks import pipeline, progress, session
from tasks.pipeline import Params, Step, plain
from tasks.summary import Summary


def characterise_on_cluster(
    source: Path,
    out: Path,
    params: Params,
    *,
    listener: progress.Listener,
    wrap: Callable[[Step], Step] = plain,
    workers: int | None = None,
    scheduler: str | None = None,
    cluster_file: Path | None = None,
) -> Summary:
    """Check the request, open the cluster, run the pipeline, tell `listener` how it goes.

    Where a call names no cluster, `SCALEMARK_SCHEDULER` may name the address of one.
    """
    session.require_startable(source, out)
    if not (workers or cluster_file):
        scheduler = scheduler or os.environ.get("SCALEMARK_SCHEDULER")
    with (
        progress.listening(listener),
        cluster.opened(workers=workers, scheduler=scheduler, cluster=cluster_file) as client,
    ):
        if scheduler or cluster_file:
            cluster.require_fit(client, source, out)
        return pipeline.characterise(source, out, params, run=wrap)
