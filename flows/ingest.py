"""The first part of the run as a flow: find and decode what is new, measure nothing."""

from pathlib import Path
from typing import Any, Literal

from prefect import flow

from flows.fields import AbsolutePath, Workers
from flows.frame import carried, run_name
from flows.parameters import params_with
from flows.run import characterise_on_cluster
from flows.stages import as_task
from tasks import pipeline
from tasks.readers.base import Limits


@flow(name="ingest", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def ingest(
    source: AbsolutePath,
    out: AbsolutePath,
    only: Literal["all", "images", "signals"] = "all",
    retry_failed: bool = False,
    limits: Limits | None = None,
    workers: Workers | None = None,
    scheduler: str | None = None,
    cluster: AbsolutePath | None = None,
) -> Any:  # noqa: ANN401
    """Decode what is new or changed in a folder into the store; measure nothing yet.

    Args:
        source: Absolute path of a folder of images and signals, or of one file; only read.
        out: Absolute path of the output folder; a run that is there already is continued.
        only: What to process; the rest is listed as skipped.
        retry_failed: Try the quarantined items again.
        limits: How large an item may be; None: as in the last run of the folder.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Absolute path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: characterise_on_cluster(
            Path(source),
            Path(out),
            params_with(Path(out), only=only, retry_failed=retry_failed, limits=limits),
            chain=pipeline.take_in_only,
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
