"""The pipeline on a cluster: what the Prefect flows and the direct command line share."""

import os
from collections.abc import Callable
from pathlib import Path

from flows import cluster
from tasks import pipeline, progress, session
from tasks.pipeline import Params, Part, Wrapper, plain
from tasks.summary import Summary


def characterise_on_cluster(
    source: Path,
    out: Path,
    params: Params,
    *,
    listener: progress.Listener,
    chain: Callable[..., Summary] = pipeline.characterise,
    wrap: Wrapper = plain,
    workers: int | None = None,
    scheduler: str | None = None,
    cluster_file: Path | None = None,
) -> Summary:
    """Check the request, open the cluster, run the chain, tell `listener` how it goes.

    Where a call names no cluster, `SCALEMARK_SCHEDULER` may name the address of one.
    """
    session.require_startable(source, out)
    return _on_cluster(
        lambda: chain(source, out, params, run=wrap),
        source,
        out,
        listener,
        workers=workers,
        scheduler=scheduler,
        cluster_file=cluster_file,
    )


def carry_on_on_cluster(
    out: Path,
    part: Part,
    params: Params,
    *,
    listener: progress.Listener,
    wrap: Wrapper = plain,
    workers: int | None = None,
    scheduler: str | None = None,
    cluster_file: Path | None = None,
) -> Summary:
    """Do one part of the run on a cluster, for what an earlier run has put into `out`."""
    session.reopened(out)
    return _on_cluster(
        lambda: pipeline.carry_on(out, part, params, run=wrap),
        None,
        out,
        listener,
        workers=workers,
        scheduler=scheduler,
        cluster_file=cluster_file,
    )


def _on_cluster(
    work: Callable[[], Summary],
    source: Path | None,
    out: Path,
    listener: progress.Listener,
    *,
    workers: int | None,
    scheduler: str | None,
    cluster_file: Path | None,
) -> Summary:
    if not (workers or cluster_file):
        scheduler = scheduler or os.environ.get("SCALEMARK_SCHEDULER")
    with (
        progress.listening(listener),
        cluster.opened(workers=workers, scheduler=scheduler, cluster=cluster_file) as client,
    ):
        if scheduler or cluster_file:
            cluster.require_fit(client, source, out)
        return work()
