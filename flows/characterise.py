"""The whole run as a Prefect flow: the same steps, with a form, retries, logs and artifacts."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.fields import AbsolutePath, Workers
from flows.frame import carried, run_name
from flows.parameters import params_with
from flows.run import characterise_on_cluster
from flows.stages import as_task
from tasks.pipeline import Params


@flow(name="characterise", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def characterise(
    source: AbsolutePath,
    out: AbsolutePath,
    params: Params | None = None,
    workers: Workers | None = None,
    scheduler: str | None = None,
    cluster: AbsolutePath | None = None,
) -> Any:  # noqa: ANN401
    """Characterise every image and signal of a folder.

    Args:
        source: Absolute path of a folder of images and signals, or of one file; only read.
        out: Absolute path of the output folder; a run that is there already is continued.
        params: Every knob of the run; None: as in the last run of the folder.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Absolute path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: characterise_on_cluster(
            Path(source),
            Path(out),
            params or params_with(Path(out), only="all", retry_failed=False),
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
