"""A trained model on disk: JSON that holds every number of the rule, and what it was made from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from core.design import Design
from core.rule import LinearRule
from tasks.errors import StoreFailed, UsageError
from tasks.learning.features import feature_names, feature_steps, plain
from tasks.output import replace

FORMAT = "scalemark model"
VERSION = 2
MODEL_MARK = f'"format": "{FORMAT}"'.encode()
"""What a file of a model begins with."""
LARGEST = 50_000_000
"""Bytes; a rule of 16 labels over some dozens of features takes thousands."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A rule for images or signals, the labels it tells apart, and the features it was learnt on.

    What is not part of the rule (`made`, `evaluation`) is for people. `digest` leaves it out, so
    that the same rule, trained again, labels nothing again; the file's own digest is of all.
    """

    kind: str
    labels: tuple[str, ...]
    rule: LinearRule
    steps: Mapping[str, str]
    """How the features were made: version and parameters of each step, as the ledger has them."""
    made: Mapping[str, Any] = field(default_factory=dict)
    """When, from what, with which settings and versions."""
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    """How good it was on items that it had not seen."""

    def __post_init__(self) -> None:
        if self.kind not in ("image", "signal"):
            raise ValueError(f"kind must be image or signal, got {self.kind!r}")
        if len(self.labels) != len(self.rule.intercepts) or len(set(self.labels)) < 2:
            raise ValueError("a model has a label of its own for each row of its rule")

    @property
    def features(self) -> tuple[str, ...]:
        """The features that the rule takes, in its order."""
        return self.rule.design.features

    @property
    def digest(self) -> str:
        """What tells this rule from any other."""
        text = json.dumps(self._essence(), sort_keys=True, allow_nan=False)
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def _essence(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "rule": plain(asdict(self.rule)),
            "steps": dict(self.steps),
        }


def contents(model: Model) -> dict[str, Any]:
    """Return what a model's file holds, its digest among it."""
    values = {
        "format": FORMAT,
        "version": VERSION,
        **model._essence(),
        "made": plain(model.made),
        "evaluation": plain(model.evaluation),
    }
    return {**values, "digest": file_digest(values)}


def write_model(path: Path, model: Model) -> None:
    """Write a model, whole or not at all.

    Raises
    ------
    StoreFailed
        If the file cannot be written.
    """
    try:
        replace(path, json.dumps(contents(model), indent=1, allow_nan=False).encode())
    except OSError as error:
        raise StoreFailed(f"cannot write the model {path}: {error.strerror}") from error


def file_digest(values: Mapping[str, Any]) -> str:
    """Return what tells a model's file from any other: of every value but itself."""
    rest = {name: value for name, value in values.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def read_model(path: Path) -> Model:
    """Read a model back, and hold it to its digest.

    Raises
    ------
    UsageError
        If it cannot be read, is no model, is of a newer version, or was changed since.
    """
    values = _parsed(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UsageError(f"{path} is no model that `scalemark train` wrote: choose another --model")
    if values.get("version") != VERSION:
        raise UsageError(
            f"{path} has model format {values.get('version')!r}, this scalemark reads {VERSION}: "
            "use the version that wrote it, or train again"
        )
    try:
        model = _model(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UsageError(f"{path} is damaged ({what}): restore it, or train again") from error
    if file_digest(values) != values.get("digest"):
        raise UsageError(
            f"{path} was changed since it was written (its digest differs): "
            "restore it, or train again"
        )
    return model


def _parsed(path: Path) -> Any:  # noqa: ANN401
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is no model: it has {path.stat().st_size:,} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the model {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is damaged (no JSON: {error}): restore it, or train again"
        ) from error


def _model(values: Mapping[str, Any]) -> Model:
    rule = values["rule"]
    design = {name: tuple(part) for name, part in rule["design"].items()}
    return Model(
        kind=str(values["kind"]),
        labels=tuple(map(str, values["labels"])),
        rule=LinearRule(
            design=Design(**design),
            coefficients=tuple(tuple(map(float, row)) for row in rule["coefficients"]),
            intercepts=tuple(map(float, rule["intercepts"])),
            one_vs_rest=bool(rule["one_vs_rest"]),
        ),
        steps={str(step): str(mark) for step, mark in values["steps"].items()},
        made=_object(values, "made"),
        evaluation=_object(values, "evaluation"),
    )


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(values[name], dict):
        raise TypeError(f"{name} is no object")
    return dict(values[name])


def unknown_features(model: Model) -> list[str]:
    """Return the features of a model that this scalemark does not compute."""
    known = set(feature_names(model.kind))
    return [name for name in model.features if name not in known]


def needed_steps(model: Model) -> Sequence[str]:
    """Return the steps whose results the rule really uses."""
    design = model.rule.design
    used = [design.features[n] for n in sorted({*design.kept, *design.gaps})]
    return feature_steps(model.kind, used)
