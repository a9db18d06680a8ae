"""How good a rule is on groups of items that it has not seen, beside what costs nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import evaluation as measure
from core.rule import LinearRule
from tasks.errors import UsageError
from tasks.learning.labels import Labelled
from tasks.verdict import VerdictParams

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Fit = Callable[[Floats, Whole], tuple[LinearRule, Sequence[str]]]
REPEATS, DRAWS = 10, 50


@dataclass(frozen=True, kw_only=True)
class Data:
    """Labelled items with their features."""

    kind: str
    features: tuple[str, ...]
    values: Floats
    """(item, feature)"""
    labels: tuple[str, ...]
    label: Whole
    """(item,): each item's place in `labels`."""
    group: Whole
    """(item,): what it must not be parted from."""
    by: str
    """What a group is: folder, file or item."""


def group_items(items: Sequence[Labelled], by: str) -> tuple[Whole, str]:
    """Return each item's group, and what a group is.

    Raises
    ------
    UsageError
        Where a label lies in one group alone, so that no rule could learn it without that group.
    """
    keys = {
        "folder": [item.path.rpartition("/")[0] for item in items],
        "file": [item.path for item in items],
        "none": [item.name for item in items],
    }
    if by == "auto":
        by = "file" if _alone(items, keys["folder"]) else "folder"
    noun = "item" if by == "none" else by
    if label := _alone(items, keys[by]):
        raise UsageError(
            f"the label {label!r} is in one {noun} alone, and it takes two to try a rule on what "
            "it has not seen: label another, or group by less (--group-by)"
        )
    _, group = np.unique(keys[by], return_inverse=True)
    return group.astype(np.int64), noun


def _alone(items: Sequence[Labelled], keys: Sequence[str]) -> str:
    """Return a label that lies in one group alone, if there is one."""
    held: dict[str, set[str]] = {}
    for item, key in zip(items, keys, strict=True):
        held.setdefault(item.label, set()).add(key)
    return next((label for label, groups in held.items() if len(groups) < 2), "")


def evaluate(data: Data, fit: Fit, folds: int, seed: int) -> dict[str, Any]:
    """Try rules on the groups that each was trained without.

    Parameters
    ----------
    data : Data
        Labelled items.
    fit : callable
        Values and labels of some items to a rule and the solver's warnings.
    folds : int
        At most; as many as the rarest label has groups.
    seed : int
        Of folds and shuffles.

    Returns
    -------
    dict
        What the model card tells, as JSON holds it.
    """
    fold = _folds(data, folds, seed)
    chances = np.empty((data.label.size, len(data.labels)))
    grown, warned = [], 0
    for k in range(fold.max() + 1):
        held = fold == k
        rule, said = fit(data.values[~held], data.label[~held])
        warned += bool(said)
        chances[held] = rule.probabilities(data.values[held])
        grown.append(
            measure.permutation_losses(
                rule.probabilities, data.values[held], data.label[held], repeats=REPEATS, seed=seed
            ).mean(axis=1)
        )
    right = chances.argmax(axis=1) == data.label
    bins = measure.calibration(chances.max(axis=1), right, data.group)
    counts = np.bincount(data.label)
    found = {
        "items": int(data.label.size),
        "groups": int(np.unique(data.group).size),
        "group_by": data.by,
        "folds": int(fold.max() + 1),
        "folds_with_warnings": warned,
        "counts": dict(zip(data.labels, counts.tolist(), strict=True)),
        "accuracy": share(right, data.group),
        "log_loss": measure.log_loss(chances, data.label),
        "log_loss_of_shares": measure.log_loss(
            np.broadcast_to(counts / counts.sum(), chances.shape), data.label
        ),
        "baselines": baselines(data, fold),
        "confusion": measure.confusion(data.label, chances.argmax(axis=1), len(counts)).tolist(),
        "calibration": [asdict(one) for one in bins],
        "calibration_error": measure.calibration_error(bins),
        "importance": _importance(data, np.array(grown)),
    }
    return {**found, "summary": summary(found)}


def _folds(data: Data, most: int, seed: int) -> Whole:
    """Return folds such that every label is learnt whichever fold is held out."""
    groups = [np.unique(data.group[data.label == k]).size for k in range(len(data.labels))]
    folds = min(most, *groups)
    for draw in range(DRAWS):
        fold = measure.grouped_folds(data.label, data.group, folds, seed=seed + draw)
        spread = (np.unique(fold[data.label == k]).size for k in range(len(data.labels)))
        if min(spread) > 1:
            return fold
    raise UsageError(
        f"no way was found to part the {data.by}s so that every label is on both sides: "
        "label more items, or group by less (--group-by)"
    )


def share(right: NDArray[np.bool_], group: Whole) -> dict[str, float]:
    """Return the share of items that are right, with an interval that minds the groups.

    Examples
    --------
    >>> found = share(np.array([True, True, False, True]), np.arange(4))
    >>> found["value"], round(found["low"], 2), round(found["high"], 2)
    (0.75, 0.26, 0.96)
    """
    low, high = measure.grouped_interval(right, group)
    return {
        "value": float(right.mean()),
        "low": low,
        "high": high,
        "right": int(right.sum()),
        "number": int(right.size),
        "independent": measure.independent_number(right, group),
    }


def summary(found: Mapping[str, Any]) -> str:
    """Say how good a rule is, in one sentence."""
    one = found["accuracy"]
    return (
        f"right on {100 * one['value']:.1f} % ({100 * one['low']:.1f} to {100 * one['high']:.1f}) "
        f"of {found['items']} labelled items, each tried on a rule that had not seen its "
        f"{found['group_by']}"
    )


def baselines(data: Data, fold: Whole) -> list[dict[str, Any]]:
    """Return how good simpler rules are, learnt and tried in the same folds."""
    rules: dict[str, Callable[[Floats, Whole], Callable[[Floats], Whole]]] = {
        "always the commonest label": _commonest
    }
    if data.kind == "image":
        worst = VerdictParams().worst_score
        rules |= {
            f"PIQE above {worst:g}, its own threshold": lambda v, t: _stump(v, t, worst),
            "PIQE above the threshold that suits the labels best": _best_stump,
        }
    score = data.values[:, data.features.index("piqe")] if data.kind == "image" else np.zeros(0)
    score = np.nan_to_num(score, nan=np.inf) if score.size else np.zeros(data.label.size)
    found = []
    for name, learn in rules.items():
        told = np.empty_like(data.label)
        for k in range(fold.max() + 1):
            held = fold == k
            told[held] = learn(score[~held], data.label[~held])(score[held])
        found.append({"name": name, "accuracy": share(told == data.label, data.group)})
    return found


def _commonest(_: Floats, label: Whole) -> Callable[[Floats], Whole]:
    most = int(np.bincount(label).argmax())
    return lambda score: np.full(score.size, most)


def _stump(score: Floats, label: Whole, threshold: float) -> Callable[[Floats], Whole]:
    """Return the rule that gives each side of a threshold its commonest label."""
    most = int(np.bincount(label).argmax())
    above = score > threshold
    sides = [
        int(np.bincount(label[side]).argmax()) if side.any() else most for side in (~above, above)
    ]
    return lambda other: np.where(other > threshold, sides[1], sides[0])


def _best_stump(score: Floats, label: Whole) -> Callable[[Floats], Whole]:
    ends = np.unique(score[np.isfinite(score)])
    middles = (ends[1:] + ends[:-1]) / 2
    rules = [_stump(score, label, float(at)) for at in (middles if middles.size else ends)]
    return max(
        rules, key=lambda rule: (rule(score) == label).mean(), default=_commonest(score, label)
    )


def _importance(data: Data, grown: Floats) -> list[dict[str, Any]]:
    """Return every feature with the growth of the loss when it is shuffled, greatest first."""
    mean = grown.mean(axis=0)
    error = grown.std(axis=0, ddof=1) / np.sqrt(len(grown))
    return [
        {"feature": data.features[n], "loss": float(mean[n]), "error": float(error[n])}
        for n in np.argsort(-mean, kind="stable")
    ]
