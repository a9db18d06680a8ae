"""The pipeline on a cluster: what the Prefect flows and the direct command line share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    """Check the request, open the cluster, run the chain, tell `listener` how it goes."""
    session.require_startable(source, out)
    return _on_cluster(
        lambda: chain(source, out, params, run=wrap),
        [source, out],
        listener,
        workers=workers,
        scheduler=scheduler,
        cluster=cluster_file,
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
        [out],
        listener,
        workers=workers,
        scheduler=scheduler,
        cluster=cluster_file,
    )


def _on_cluster(
    work: Callable[[], Summary],
    paths: list[Path],
    listener: progress.Listener,
    **where: Any,  # noqa: ANN401
) -> Summary:
    with progress.listening(listener), cluster.opened(**where) as client:
        if where["scheduler"] or where["cluster"]:
            cluster.require_reach(client, *(path.absolute() for path in paths))
        return work()
