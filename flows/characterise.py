"""The run as a Prefect flow: the same steps, with a form, retries, logs and artifacts."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.artifacts import StageProgress, summary_markdown, worst_rows
from flows.run import characterise_on_cluster
from tasks.errors import RunError
from tasks.pipeline import Params
from tasks.summary import Summary

RETRIES = 1
RETRY_DELAY = 5


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:  # noqa: ANN401
    """Tell a failure of the moment from a full disk or a wrong path, which stays what it is."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, RunError | KeyboardInterrupt)


def as_task(step: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a step: it runs in this process, so that it fans out over the Dask client."""
    wrapped: Callable[..., Any] = task(
        name=step.__name__.replace("_", "-"),
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAY,
        retry_condition_fn=_worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(step)
    return wrapped


@flow(name="characterise", persist_result=False, validate_parameters=True)
def characterise(
    source: str,
    out: str,
    params: Params = Params(),  # noqa: B008
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str | None = None,
) -> dict[str, int]:
    """Characterise every image and signal of a folder.

    Args:
        source: Folder of images and signals, or one file, as the worker sees it.
        out: Output folder; a run that is there already is continued.
        params: Every knob of the run.
        workers: Worker processes on the machine that runs the flow; one a core if left empty.
        scheduler: Address of a running Dask scheduler, instead of workers.
        cluster: Path of a cluster file, instead of workers.
    """
    logger = get_run_logger()
    summary = characterise_on_cluster(
        Path(source),
        Path(out),
        params,
        listener=StageProgress(logger),
        wrap=as_task,
        workers=workers,
        scheduler=scheduler,
        cluster_file=Path(cluster) if cluster else None,
    )
    _publish(summary)
    logger.info("report: %s", summary.output.report)
    return summary.counts


def _publish(summary: Summary) -> None:
    """Leave what a person looks for on the run's page."""
    create_markdown_artifact(summary_markdown(summary), key="summary", description="The run")
    create_table_artifact(worst_rows(summary), key="worst-items", description="The worst images")
    create_link_artifact(
        f"file://{os.fspath(summary.output.report)}",
        key="report",
        link_text="report.html",
        description="The report, on the machine that ran the flow",
    )
