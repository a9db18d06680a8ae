"""Image quality as a flow: score the images that a store holds."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.fields import AbsolutePath, Workers
from flows.frame import carried, run_name
from flows.parameters import params_with
from flows.run import carry_on_on_cluster
from flows.stages import as_task
from tasks import pipeline
from tasks.scoring import QualityParams


@flow(name="image-quality", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def image_quality(
    out: AbsolutePath,
    quality: QualityParams | None = None,
    workers: Workers | None = None,
    scheduler: str | None = None,
    cluster: AbsolutePath | None = None,
) -> Any:  # noqa: ANN401
    """Score the images that a store holds: what is new, or was scored with other parameters.

    Args:
        out: Absolute path of the output folder of an earlier run.
        quality: What is measured of every image; None: as in the last run of the folder.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Absolute path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: carry_on_on_cluster(
            Path(out),
            pipeline.measure_images,
            params_with(Path(out), quality=quality),
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
