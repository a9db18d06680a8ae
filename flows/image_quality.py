"""Image quality as a flow: score the images that a store holds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import flow

from flows.frame import carried, run_name
from flows.parameters import params_of
from flows.run import carry_on_on_cluster
from flows.stages import as_task
from tasks import pipeline
from tasks.scoring import QualityParams


@flow(name="image-quality", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def image_quality(
    out: str,
    quality: QualityParams = QualityParams(),  # noqa: B008
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str | None = None,
) -> Any:  # noqa: ANN401
    """Score the images that a store holds: what is new, or was scored with other parameters.

    Args:
        out: Output folder of an earlier run.
        quality: What is measured of every image.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: carry_on_on_cluster(
            Path(out),
            pipeline.measure_images,
            replace(params_of(Path(out)), quality=quality),
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
