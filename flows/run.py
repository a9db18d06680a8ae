"""The pipeline on a cluster: what the Prefect flow and the direct command line share."""

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
    """Check the request, open the cluster, run the pipeline, tell `listener` how it goes."""
    session.require_startable(source, out)
    with (
        progress.listening(listener),
        cluster.opened(workers=workers, scheduler=scheduler, cluster=cluster_file) as client,
    ):
        if scheduler or cluster_file:
            cluster.require_reach(client, source.absolute(), out.absolute())
        return pipeline.characterise(source, out, params, run=wrap)
