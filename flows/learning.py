"""The command line's `label`, `train`, `apply` and `derive`: a user's own rule."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

# As in flows/cli.py, each command imports what it needs, so that --help answers at once.

Out = Annotated[Path, Parameter(help="Output folder of a run.")]
Only = Annotated[
    Literal["all", "images", "signals"], Parameter(help="Which items, or which labels, to use.")
]
ModelFile = Annotated[Path | None, Parameter(help="The model file. [OUT/model.json]")]


def label(
    out: Out,
    *,
    page: Annotated[Path | None, Parameter(help="Where it goes. [OUT/labels.html]")] = None,
    labels: Annotated[
        tuple[str, ...], Parameter(help="2 to 9 words, each an option of its own.", negative="")
    ] = ("accept", "reject"),
    only: Only = "all",
    most: Annotated[int, Parameter(help="Items on the page; of more, a random sample.")] = 500,
    seed: Annotated[int, Parameter(help="Of the sample.")] = 0,
) -> int:
    """Write a page on which you label the items of OUT by the keyboard; it saves labels.csv."""
    from tasks.learning.label_page import write_label_page

    written = write_label_page(
        out, page or out / "labels.html", labels=labels, only=only, most=most, seed=seed
    )
    drawn = "" if written.shown == written.there else f" of {written.there}, drawn at random"
    _say(f"{written.shown} items{drawn}: open {written.path.absolute()}, label, save labels.csv")
    return 0


def train(
    out: Out,
    *,
    labels: Annotated[Path, Parameter(help="CSV of name,label: from the page, or your own.")],
    model: ModelFile = None,
    solver: Annotated[str, Parameter(help="auto, or one of docs/solvers.md.")] = "auto",
    penalty: Annotated[
        Literal["l2", "l1", "elasticnet", "none"],
        Parameter(help="What keeps coefficients small; l1 sets some to 0."),
    ] = "l2",
    c: Annotated[float, Parameter(help="Weight of the labels against the penalty.")] = 1.0,
    l1_ratio: Annotated[float, Parameter(help="Share of l1 in the elastic net.")] = 0.5,
    balanced: Annotated[
        bool, Parameter(negative="", help="Give every label the same weight in all.")
    ] = False,
    group_by: Annotated[
        Literal["auto", "folder", "file", "none"],
        Parameter(help="What is never split between training and trial; auto: folders, or files."),
    ] = "auto",
    folds: Annotated[int, Parameter(help="Parts for the trial, at most.")] = 5,
    seed: Annotated[int, Parameter(help="Of what is drawn.")] = 0,
    only: Only = "all",
    max_iterations: Annotated[
        int | None, Parameter(help="Iterations at most. [the solver's own limit]")
    ] = None,
) -> int:
    """Train a rule on labels, try it on groups that it has not seen, write model and card."""
    from tasks import progress
    from tasks.errors import UsageError
    from tasks.learning.train import TrainParams
    from tasks.learning.train import train as train_rule

    try:
        params = TrainParams(
            solver=solver, penalty=penalty, c=c, l1_ratio=l1_ratio, balanced=balanced,
            group_by=group_by, folds=folds, seed=seed, only=only, max_iterations=max_iterations,
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error)) from error
    with progress.listening(_note):
        trained = train_rule(out, labels, params, model or out / "model.json")
    found = trained.model.evaluation
    _say(found["summary"])
    for one in found["baselines"]:
        _say(f"  {100 * one['accuracy']['value']:.1f} % by {one['name']}")
    _say(f"model  {trained.path.absolute()}")
    _say(f"card   {trained.card.absolute()}")
    return 0


def apply(out: Out, *, model: ModelFile = None) -> int:
    """Label every item of OUT with a trained model: in the store, the table and the report."""
    from tasks import progress
    from tasks.learning.apply import apply as apply_model

    with progress.listening(_note):
        done = apply_model(out, model or out / "model.json")
    told = _failures(done.failed) or ", the others were up to date"
    _say(f"{done.labelled} {done.kind}s labelled now{told}")
    for name, number in done.counts.items():
        _say(f"  {number} {name}")
    if waiting := done.waiting - sum(done.failed.values()):
        _say(f"  {waiting} without a label: run again first, then apply")
    _say(f"report {done.output.report}")
    _say(f"table  {done.output.parquet}")
    return 0


def derive(
    out: Out,
    *,
    items: Annotated[
        str, Parameter(help="Names of signals; * stands for anything, part in brackets.")
    ] = "*",
    hidden: Annotated[
        tuple[int, ...], Parameter(help="Units of each hidden layer.", negative="")
    ] = (24, 24),
    smoothing: Annotated[
        tuple[float, ...],
        Parameter(help="Weights to choose from; one alone is taken as it is.", negative=""),
    ] = (1e-5, 1e-4, 1e-3, 1e-2),
    max_iterations: Annotated[int, Parameter(help="Steps of the training at most.")] = 500,
    seed: Annotated[int, Parameter(help="Of the network's starting weights.")] = 0,
) -> int:
    """Fit a smooth network to signals of OUT; store and draw its value and derivatives."""
    # Before NumPy is imported: for matrices this small a second thread costs more than it brings.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from core.derivatives import DerivativeParams
    from flows.terminal import Terminal
    from tasks import progress
    from tasks.errors import UsageError
    from tasks.learning.derive import DeriveParams
    from tasks.learning.derive import derive as derive_signals

    try:
        fit = DerivativeParams(
            hidden=hidden, smoothing=smoothing, max_iterations=max_iterations, seed=seed
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    with Terminal(_console()) as terminal, progress.listening(terminal):
        derived = derive_signals(out, DeriveParams(items=items, fit=fit))
    told = _failures(derived.failed) or ", the others were up to date"
    _say(f"{derived.done} of {derived.chosen} signals derived now{told}")
    _say(f"report {derived.output.report}")
    _say(f"store  {derived.output.store}")
    return 0


def _failures(failed: Mapping[str, int]) -> str:
    return "".join(f", {number} not: {reason}" for reason, number in failed.items())


def _console() -> Any:  # noqa: ANN401
    from rich.console import Console

    return Console(highlight=False)


def _note(event: Any) -> None:  # noqa: ANN401
    from tasks.progress import Note

    if isinstance(event, Note):
        _say(f"{event.stage}: {event.text}")


def _say(text: str) -> None:
    from flows.terminal import printable

    sys.stdout.write(f"{printable(text)}\n")
