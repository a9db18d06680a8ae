"""Train a rule on a person's labels, and find out how good it is on items it has not seen."""

import math
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.design import learn_design
from core.form import FORM
from core.logistic import CollinearWarning, LogisticClassifier
from core.rule import LinearRule
from tasks import progress, session
from tasks.batches import Order
from tasks.errors import UsageError
from tasks.fitness import versions
from tasks.learning.card import require_replaceable, write_card
from tasks.learning.evaluate import Data, evaluate, group_items
from tasks.learning.features import feature_names, feature_steps, marks, matrix, plain
from tasks.learning.labels import Labelled, choose_kind, match, read_labels
from tasks.learning.model import Model, write_model
from tasks.ledger import Ledger

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
STAGE = "train"
PACKAGES = ("scalemark", "numpy", "scipy", "numba")


@dataclass(frozen=True, kw_only=True)
class TrainParams:
    """How a rule is trained and tried."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    solver: str = "auto"
    """What finds the optimum: auto takes one that suits the penalty; see docs/solvers.md."""
    penalty: Literal["l2", "l1", "elasticnet", "none"] = "l2"
    """What keeps coefficients small: l2 shrinks all, l1 sets some to 0."""
    c: float = 1.0
    """Weight of the labels against the penalty; a smaller one gives a plainer rule."""
    l1_ratio: float = 0.5
    """Share of l1 in the elastic net."""
    balanced: bool = False
    """Give every label the same weight in all, however many items bear it."""
    group_by: Literal["auto", "folder", "file", "none"] = "auto"
    """What items must share to be tried together, so that none is tried on its own twin; auto is
    the folder where every label lies in two or more, else the file."""
    folds: int = 5
    """Parts of the items that are each tried on a rule trained without them."""
    seed: int = 0
    """Of what is drawn: folds and shuffles."""
    only: Literal["all", "images", "signals"] = "all"
    """Which labels to use where a file has both kinds."""
    max_iterations: int | None = None
    """Iterations after which the solver gives up, and says so; by default the solver's limit."""

    def __post_init__(self) -> None:
        for name in ("c", "l1_ratio"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not 0 < self.c < float("inf"):
            raise ValueError(f"c must be positive and finite, got {self.c}; penalty none has no c")
        if not 0 <= self.l1_ratio <= 1:
            raise ValueError(f"l1_ratio must be within 0 to 1, got {self.l1_ratio}")
        if self.folds < 2:
            raise ValueError(f"folds must be 2 or more, got {self.folds}")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}")
        if self.max_iterations is not None and self.max_iterations < 1:
            raise ValueError(f"max_iterations must be 1 or more, got {self.max_iterations}")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training left behind."""

    model: Model
    path: Path
    card: Path


def train(out: Path, labels: Path, params: TrainParams, model_path: Path) -> Trained:
    """Train a rule on the labelled items of a run; write the model and its card.

    Parameters
    ----------
    out : Path
        A finished run's output folder.
    labels : Path
        CSV of `name,label`.
    params : TrainParams
        How.
    model_path : Path
        Where the model goes; the card goes beside it.

    Raises
    ------
    tasks.errors.RunError
        If labels, features or parameters do not make a rule; the message names what does not fit.
    """
    require_replaceable(model_path, labels)
    given = read_labels(labels)
    with session.held(out) as order, Ledger(order.output.ledger) as ledger:
        kind, items = choose_kind(match(ledger, given, labels), params.only, labels)
        data = _data(order, kind, items, params)
        steps = marks(ledger, kind, feature_steps(kind, data.features))
    rule, said = fit(data.values, data.label, data.features, params)
    for text in (*said, *_dropped(rule)):
        _note(text)
    evaluation = _evaluated(data, params)
    evaluation["coefficient_errors"] = _coefficient_errors(data, rule, params)
    model = Model(
        kind=kind,
        labels=data.labels,
        rule=rule,
        steps=steps,
        made=_made(labels, params, said),
        evaluation=plain(evaluation),
    )
    card = write_card(model_path, model)
    write_model(model_path, model)
    return Trained(model=model, path=model_path, card=card)


def _evaluated(data: Data, params: TrainParams) -> dict[str, Any]:
    """Try the rule, and say what the solver warned of on the way."""
    heard: Counter[str] = Counter()

    def fit_fold(values: Floats, label: Whole) -> tuple[LinearRule, tuple[str, ...]]:
        rule, said = fit(values, label, data.features, params)
        heard.update(said)
        return rule, said

    found = evaluate(data, fit_fold, params.folds, params.seed)
    for text, number in heard.items():
        _note(f"in {number} of {found['folds']} folds: {text}")
    return found


def _data(order: Order, kind: str, items: list[Labelled], params: TrainParams) -> Data:
    features = feature_names(kind)
    labels = tuple(sorted({item.label for item in items}))
    group, noun = group_items(items, params.group_by)
    return Data(
        kind=kind,
        features=features,
        values=matrix(order.output, kind, features, [(item.stack, item.slot) for item in items]),
        labels=labels,
        label=np.array([labels.index(item.label) for item in items]),
        group=group,
        by=noun,
    )


def fit(
    values: Floats, label: Whole, features: Sequence[str], params: TrainParams
) -> tuple[LinearRule, tuple[str, ...]]:
    """Fit a rule; returns it and what the solver warns of.

    Parameters
    ----------
    values : (item, feature) array
        NaN where the store has none.
    label : (item,) array of int
        Every label from 0 up is there.
    features : sequence of str
        Their names.
    params : TrainParams
        How.

    Raises
    ------
    UsageError
        If no feature tells the items apart, or solver and penalty do not go together.
    """
    design = learn_design(values, features)
    if not design.names:
        raise UsageError("no feature differs among the labelled items: there is nothing to learn")
    fitted, said = _solve(design.columns(values), label, params)
    rule = LinearRule.of(
        design, fitted.coef_, fitted.intercept_, one_vs_rest=fitted.result_.one_vs_rest
    )
    return rule, said


def _solve(
    columns: Floats, label: Whole, params: TrainParams
) -> tuple[LogisticClassifier, tuple[str, ...]]:
    ratio = {"none": 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": params.l1_ratio}[params.penalty]
    classifier = LogisticClassifier(
        C=math.inf if params.penalty == "none" else params.c,
        l1_ratio=ratio,
        solver=params.solver,
        class_weight="balanced" if params.balanced else None,
        max_iter=params.max_iterations,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            classifier.fit(columns, label)
        except ValueError as error:
            raise UsageError(f"the rule cannot be trained so: {error}") from error
    return classifier, tuple(dict.fromkeys(f"warning: {one.message}" for one in caught))


def _coefficient_errors(data: Data, rule: LinearRule, params: TrainParams) -> Any:  # noqa: ANN401
    """Return the (label, column) standard errors, one row for two labels; None where undefined.

    The larger of the model's own and those robust to groups: these are too small for few groups.
    """
    columns = rule.design.columns(data.values)
    fitted, _ = _solve(columns, data.label, params)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CollinearWarning)
            own, _ = fitted.standard_errors(columns, data.label)
            robust, _ = fitted.standard_errors(columns, data.label, groups=data.group)
    except (ValueError, CollinearWarning):
        return None
    grouped = np.unique(data.group).size < data.group.size
    return (np.maximum(own, robust) if grouped else own).tolist()


def _dropped(rule: LinearRule) -> tuple[str, ...]:
    names = rule.design.dropped
    if not names:
        return ()
    return (f"left out, as they are the same or missing in all items: {', '.join(names)}",)


def _note(text: str) -> None:
    progress.tell(progress.Note(stage=STAGE, text=text))


def _made(labels: Path, params: TrainParams, said: Sequence[str]) -> dict[str, Any]:
    installed = versions()
    return {
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "labels": str(labels),
        "params": asdict(params),
        "warnings": list(said),
        "versions": {name: installed[name] for name in PACKAGES},
    }
