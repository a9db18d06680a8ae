"""The last part of the run as a flow: judge again, and write the tables and the report."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.fields import AbsolutePath
from flows.frame import carried, run_name
from flows.parameters import params_with
from flows.stages import as_task
from tasks import pipeline, progress
from tasks.summary import Summary
from tasks.verdict import VerdictParams


@flow(name="report", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def report(
    out: AbsolutePath,
    verdict: VerdictParams | None = None,
) -> Any:  # noqa: ANN401
    """Judge every item and write tables and report again; needs no source, computes nothing anew.

    Args:
        out: Absolute path of the output folder of an earlier run.
        verdict: When an item is flagged; None: as in the last run of the folder.
    """

    def work(listener: progress.Listener) -> Summary:
        params = params_with(Path(out), verdict=verdict)
        with progress.listening(listener):
            return pipeline.carry_on(Path(out), pipeline.conclude, params, run=as_task)

    return carried(Path(out), work)
