"""The whole run as a Prefect flow: the same steps, with a form, retries, logs and artifacts."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.frame import carried, run_name
from flows.run import characterise_on_cluster
from flows.stages import as_task
from tasks.pipeline import Params


@flow(name="characterise", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def characterise(
    source: str,
    out: str,
    params: Params = Params(),  # noqa: B008
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str | None = None,
) -> Any:  # noqa: ANN401
    """Characterise every image and signal of a folder.

    Args:
        source: Folder of images and signals, or one file, as the worker sees it; only read.
        out: Output folder; a run that is there already is continued with what is new.
        params: Every knob of the run; the defaults suit most archives.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: characterise_on_cluster(
            Path(source),
            Path(out),
            params,
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
