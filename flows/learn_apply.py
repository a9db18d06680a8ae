"""Applying a trained model as a flow: every night after the run, or by hand."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.fields import AbsolutePath
from flows.frame import carried, run_name
from tasks import progress
from tasks.learning.apply import apply
from tasks.summary import Summary, summarise


@flow(name="learn-apply", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def learn_apply(out: AbsolutePath, model: AbsolutePath | None = None) -> Any:  # noqa: ANN401
    """Label every new or changed item of a run with a trained model.

    Args:
        out: Absolute path of the output folder of an earlier run.
        model: Absolute path of a model; model.json in the output folder if left empty.
    """
    path = Path(model) if model else Path(out) / "model.json"

    def work(listener: progress.Listener) -> Summary:
        with progress.listening(listener):
            done = apply(Path(out), path)
        counts = ", ".join(f"{number} {label}" for label, number in done.counts.items())
        text = f"{done.labelled} {done.kind}s labelled now; in all {counts or 'none'}"
        failed = "".join(f"; {number} not: {reason}" for reason, number in done.failed.items())
        text = f"{text}; {done.waiting} without a label{failed}"
        listener(progress.Note(stage="learn-apply", text=text))
        return summarise(done.output)

    return carried(Path(out), work)
