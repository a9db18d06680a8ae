"""The first part of the run as a flow: find and decode what is new, measure nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from prefect import flow

from flows.frame import carried, run_name
from flows.parameters import params_of
from flows.run import characterise_on_cluster
from flows.stages import as_task
from tasks import pipeline
from tasks.readers.base import Limits


@flow(name="ingest", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def ingest(
    source: str,
    out: str,
    only: Literal["all", "images", "signals"] = "all",
    retry_failed: bool = False,
    limits: Limits = Limits(),  # noqa: B008
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str | None = None,
) -> Any:  # noqa: ANN401
    """Decode what is new or changed in a folder into the store; measure nothing yet.

    Args:
        source: Folder of images and signals, or one file, as the worker sees it; only read.
        out: Output folder; one that is there already is continued with what is new.
        only: What to process; the rest is listed as skipped.
        retry_failed: Try the quarantined items again.
        limits: How large an item may be.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: characterise_on_cluster(
            Path(source),
            Path(out),
            replace(params_of(Path(out)), only=only, retry_failed=retry_failed, limits=limits),
            chain=pipeline.take_in_only,
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
