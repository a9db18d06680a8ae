"""Structure of signals as a flow: describe the signals that a store holds."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.fields import AbsolutePath, Workers
from flows.frame import carried, run_name
from flows.parameters import params_with
from flows.run import carry_on_on_cluster
from flows.stages import as_task
from tasks import pipeline
from tasks.piecewise import PiecesParams
from tasks.scale_space import StructureParams


@flow(
    name="signal-structure", flow_run_name=run_name, persist_result=False, validate_parameters=True
)
def signal_structure(
    out: AbsolutePath,
    pieces: PiecesParams | None = None,
    structure: StructureParams | None = None,
    workers: Workers | None = None,
    scheduler: str | None = None,
    cluster: AbsolutePath | None = None,
) -> Any:  # noqa: ANN401
    """Find straight pieces, Gaussians and crossings in the signals that a store holds.

    Args:
        out: Absolute path of the output folder of an earlier run.
        pieces: How straight pieces are fitted; None: as in the last run of the folder.
        structure: How Gaussians are found; None: as in the last run of the folder.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, such as tls://host:8786, instead of workers.
        cluster: Absolute path of a cluster file, instead of workers.
    """
    return carried(
        Path(out),
        lambda listener: carry_on_on_cluster(
            Path(out),
            pipeline.measure_signals,
            params_with(Path(out), pieces=pieces, structure=structure),
            listener=listener,
            wrap=as_task,
            workers=workers,
            scheduler=scheduler,
            cluster_file=Path(cluster) if cluster else None,
        ),
    )
