"""What a rule learns from: the numbers that the table tells of every item of a kind."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import piecewise, scale_space, signals
from tasks.errors import UsageError
from tasks.ledger import Ledger, why_stale
from tasks.output import Output
from tasks.scalars import FEATURES, Feature, Scalars, names, sources
from tasks.store import COMPONENT_STATUS

STEPS = {
    "quality": "piqe",
    "descriptors": signals.STEP,
    "pieces": piecewise.STEP,
    "scale_space": scale_space.STEP,
}
"""The step that writes each tree of the store."""


def learnt_from(kind: str) -> tuple[Feature, ...]:
    """Return what is learnt from; a status is a code and no quantity."""
    return tuple(feature for feature in FEATURES[kind] if feature is not COMPONENT_STATUS)


def feature_names(kind: str) -> tuple[str, ...]:
    """Return the features of a kind, as the table calls them.

    Examples
    --------
    >>> feature_names("image")[:2], feature_names("signal")[-1]
    (('piqe', 'active_fraction'), 'lack_of_fit')
    """
    return tuple(name for feature in learnt_from(kind) for name in names(feature))


def feature_steps(kind: str, features: Sequence[str]) -> tuple[str, ...]:
    """Return the steps that make some features."""
    steps = {
        name: [STEPS[variable.tree] for variable in sources(feature)]
        for feature in learnt_from(kind)
        for name in names(feature)
    }
    return tuple(dict.fromkeys(step for name in features for step in steps[name]))


def matrix(
    output: Output, kind: str, features: Sequence[str], places: Iterable[tuple[str, int]]
) -> NDArray[np.float64]:
    """Return the (item, feature) values of items, each given by its stack and slot.

    Raises
    ------
    UsageError
        Where a chunk that holds one of them is damaged.
    """
    scalars = Scalars(output.store)
    rows = []
    for stack, slot in places:
        if scalars.damaged(kind, stack, slot):
            raise UsageError(
                f"the store's results in {stack} are damaged: run again with --retry-failed first"
            )
        found = scalars.of(kind, stack, slot)
        rows.append([found[name] for name in features])
    return np.array(rows, np.float64).reshape(len(rows), len(features))


def marks(ledger: Ledger, kind: str, steps: Iterable[str]) -> dict[str, str]:
    """Return how each step's results were made: its version and parameters, as JSON.

    A step that has made nothing is not among them.

    Raises
    ------
    UsageError
        Where the items' results were made in more than one way.
    """
    found: dict[str, str] = {}
    for step in steps:
        rows = ledger.rows(
            "SELECT DISTINCT fingerprint FROM item JOIN done ON done.item = item.id "
            "AND done.step = ? AND done.hash = item.hash "
            "WHERE kind = ? AND status IN ('ok', 'flagged') LIMIT 3",
            (step, kind),
        )
        if len(rows) > 1:
            why = why_stale(rows[0][0], rows[1][0], same_input=True)
            raise UsageError(
                f"the {step} results of this store were made in two ways ({why}): "
                "finish the run first, with the same command"
            )
        if rows:
            found[step] = str(rows[0][0])
    return found


def differences(expected: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Say in words where a store's results were made otherwise than those a rule was learnt on.

    Examples
    --------
    >>> old, new = '{"version": 1, "params": {}}', '{"version": 2, "params": {}}'
    >>> differences({"piqe": old, "describe": old}, {"piqe": new})
    ['piqe: version changed from 1 to 2', 'describe: this store has no results of it']
    """
    found = []
    for step, mark in expected.items():
        if step not in present:
            found.append(f"{step}: this store has no results of it")
        elif present[step] != mark:
            found.append(f"{step}: {_why(mark, present[step])}")
    return found


def _why(old: str, new: str) -> str:
    try:
        return why_stale(old, new, same_input=True) or "made otherwise"
    except (json.JSONDecodeError, AttributeError, TypeError):
        return "made otherwise"


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return a value with NumPy's numbers and arrays as JSON holds them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
