"""The model card: what a rule is, how good it was, and how it was made, on one page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tasks import progress
from tasks.errors import StoreFailed, UsageError
from tasks.learning.model import MODEL_MARK, Model, contents
from tasks.output import holds, replace
from tasks.report.render import environment, flatten, policy, resource

PACKAGE = "tasks.learning"
CARD_MARK = b'content="scalemark card"'
SIDE = 240
"""Pixels of the calibration plot."""
FEATURES = 20
"""Features that the card lists; the model has all."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of items, with its interval, as percentages and as a bar."""

    name: str
    value: float
    low: float
    high: float
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Point:
    """A bin of the calibration plot, in its pixels."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature's importance and coefficients."""

    name: str
    loss: float
    error: float
    width: float
    coefficients: tuple[str, ...]
    """Of each label, with its standard error where there is one."""


def card_path(model_path: Path) -> Path:
    """Return where the card of a model lies.

    Examples
    --------
    >>> card_path(Path("out/model.json")).name
    'model_card.html'
    """
    return model_path.with_name(f"{model_path.stem}_card.html")


def require_replaceable(model_path: Path, labels: Path) -> None:
    """Refuse, before anything is trained, to write over what is no model and no card of one.

    Raises
    ------
    UsageError
        Naming the file that would be lost.
    """
    if model_path.absolute() == labels.absolute():
        raise UsageError(f"--model {model_path} is the file of labels: choose another --model")
    for path, mark in ((model_path, MODEL_MARK), (card_path(model_path), CARD_MARK)):
        if not holds(path, mark):
            raise UsageError(
                f"{path} is there, and nothing that `scalemark train` wrote: choose another --model"
            )


def tell_foreign_card(model_path: Path, model: Model) -> None:
    """Say so where the card beside a model is another's: training was cut off between the two."""
    path = card_path(model_path)
    if path.exists() and not holds(path, _digest(model).encode()):
        text = f"{path.name} is the card of another model: train again"
        progress.tell(progress.Note(stage="card", text=text))


def write_card(model_path: Path, model: Model) -> Path:
    """Write the card beside the model; returns its path.

    Raises
    ------
    StoreFailed
        If the file cannot be written.
    """
    path = card_path(model_path)
    try:
        replace(path, render_card(model_path.name, model).encode("utf-8"))
    except OSError as error:
        raise StoreFailed(f"cannot write the model card {path}: {error.strerror}") from error
    return path


def render_card(name: str, model: Model) -> str:
    """Return the card as HTML."""
    found = model.evaluation
    style = resource("report.css") + resource("card.css", PACKAGE)
    counts = found["counts"]
    return (
        environment(PACKAGE)
        .get_template("card.html.jinja")
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            policy=policy(style, ""),
            name=name,
            model=model,
            digest=_digest(model),
            found=found,
            counts=counts,
            shares=_shares(model),
            confusion=_confusion(found["confusion"]),
            points=_points(found["calibration"]),
            side=SIDE,
            features=_features(model),
            coefficient_labels=_coefficient_labels(model),
            made=list(flatten({k: v for k, v in model.made.items() if k != "warnings"})),
            steps=[(step, mark) for step, mark in model.steps.items()],
        )
    )


def _digest(model: Model) -> str:
    return str(contents(model)["digest"])


def _shares(model: Model) -> list[Share]:
    rows = [("this rule", model.evaluation["accuracy"])]
    rows += [(one["name"], one["accuracy"]) for one in model.evaluation["baselines"]]
    return [
        Share(
            name=name,
            own=n == 0,
            **{key: 100 * float(one[key]) for key in ("value", "low", "high")},
        )
        for n, (name, one) in enumerate(rows)
    ]


def _confusion(counts: list[list[int]]) -> list[list[tuple[int, float]]]:
    """Return every count with its share of its row."""
    return [[(number, number / max(1, sum(row))) for number in row] for row in counts]


def _points(bins: list[dict[str, Any]]) -> list[Point]:
    most = max(one["number"] for one in bins)
    return [
        Point(
            x=round(SIDE * one["told"], 1),
            y=round(SIDE * (1 - one["right"]), 1),
            low=round(SIDE * (1 - one["interval"][0]), 1),
            high=round(SIDE * (1 - one["interval"][1]), 1),
            radius=round(2.5 + 5 * float(np.sqrt(one["number"] / most)), 1),
            text=f"{one['number']} items told with {100 * one['told']:.0f} % "
            f"were right in {100 * one['right']:.0f} %",
        )
        for one in bins
    ]


def _coefficient_labels(model: Model) -> tuple[str, ...]:
    """Return the labels whose coefficients are shown; of two, one tells all."""
    return model.labels[1:] if len(model.labels) == 2 else model.labels


def _features(model: Model) -> list[Feature]:
    rows = model.evaluation["importance"][:FEATURES]
    most = max([one["loss"] for one in rows] + [1e-12])
    return [
        Feature(
            name=one["feature"],
            loss=one["loss"],
            error=one["error"],
            width=round(max(0.0, 100 * one["loss"] / most), 1),
            coefficients=_coefficients(model, one["feature"]),
        )
        for one in rows
    ]


def _coefficients(model: Model, feature: str) -> tuple[str, ...]:
    columns = model.rule.design.names
    shown = [model.labels.index(label) for label in _coefficient_labels(model)]
    if feature not in columns:
        return ("-",) * len(shown)
    at = columns.index(feature)
    errors = model.evaluation["coefficient_errors"]
    words = []
    for row, k in enumerate(shown):
        error = f" ± {errors[row][at]:.2f}" if errors else ""
        words.append(f"{model.rule.coefficients[k][at]:+.2f}{error}")
    return tuple(words)
