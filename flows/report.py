"""The last part of the run as a flow: judge again, and write the tables and the report."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import flow

from flows.frame import carried, run_name
from flows.parameters import params_of
from flows.stages import as_task
from tasks import pipeline, progress
from tasks.summary import Summary
from tasks.verdict import VerdictParams


@flow(name="report", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def report(
    out: str,
    verdict: VerdictParams = VerdictParams(),  # noqa: B008
) -> Any:  # noqa: ANN401
    """Judge every item and write tables and report again; needs no source, computes nothing anew.

    Args:
        out: Output folder of an earlier run.
        verdict: When an item is flagged.
    """

    def work(listener: progress.Listener) -> Summary:
        params = replace(params_of(Path(out)), verdict=verdict)
        with progress.listening(listener):
            return pipeline.carry_on(Path(out), pipeline.conclude, params, run=as_task)

    return carried(Path(out), work)
