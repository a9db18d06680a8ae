"""From what a caller hands in to checked chunks with class numbers and weights."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.logistic import _checks as checks
from core.logistic._types import Floats, Given, Matrix
from core.logistic.chunk import Chunk
from core.logistic.sums import InMemory

ClassWeight = Mapping[Any, float] | str | None
Checked = tuple[Matrix, NDArray[Any], Floats]


def prepare(
    chunks: Iterable[tuple[Given, ...]], class_weight: ClassWeight = None
) -> tuple[InMemory, NDArray[Any]]:
    """Return the sums over samples in one or more pieces, and their classes.

    Parameters
    ----------
    chunks : iterable of (X, y) or (X, y, sample_weight)
        (sample, feature) features, (sample,) labels, (sample,) weights of 0 or more. What has no
        samples is passed over.
    class_weight : mapping, "balanced" or None
        Factors of the weights by class; "balanced" lets every class weigh the same.

    Returns
    -------
    sums : InMemory
        What a fit works on.
    classes : (class,) array
        The sorted labels.

    Raises
    ------
    ValueError
        If data are not as above, differ in their features, or hold fewer than two classes.

    Examples
    --------
    >>> sums, classes = prepare([([[0.0], [1.0]], ["a", "b"]), ([[2.0]], ["b"])])
    >>> classes.tolist(), sums.statistics().class_weight.tolist()
    (['a', 'b'], [1.0, 2.0])
    """
    given = list(chunks)
    if not given:
        raise ValueError("there are no chunks; at least one (X, y) is needed")
    parts = [checked(*chunk, least=1 if len(given) == 1 else 0) for chunk in given]
    widths = {features.shape[1] for features, _, _ in parts}
    if len(widths) > 1:
        raise ValueError(f"chunks have {sorted(widths)} features; all must have the same")
    parts = [part for part in parts if len(part[1])]
    classes = union_of([labels for _, labels, _ in parts])
    codes = [coded(labels, classes) for _, labels, _ in parts]
    weights = [weight for _, _, weight in parts]
    totals = sum(map(class_totals, codes, weights, [len(classes)] * len(parts)))
    factors = class_factors(class_weight, classes, np.asarray(totals))
    return InMemory(_chunks(parts, codes, factors)), classes


def checked(x: Given, y: Given, sample_weight: Given = None, *, least: int = 1) -> Checked:
    """Return checked features, labels and weights of one piece of `least` samples or more."""
    features = checks.to_features(x, least)
    labels = checks.to_labels(y, features.shape[0])
    return features, labels, checks.to_weights(sample_weight, features.shape[0])


def coded(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the labels' class numbers."""
    return np.searchsorted(classes, labels).astype(np.int64)


def class_totals(codes: NDArray[np.int64], weights: Floats, classes: int) -> Floats:
    """Return the (class,) sums of weights."""
    return np.bincount(codes, weights, minlength=classes).astype(np.float64)


def _chunks(
    parts: Sequence[Checked], codes: Sequence[NDArray[np.int64]], factors: Floats
) -> list[Chunk]:
    return [
        Chunk(x, code, weights * factors[code], len(factors))
        for (x, _, weights), code in zip(parts, codes, strict=True)
    ]


def class_factors(
    class_weight: Mapping[Any, float] | str | None, classes: NDArray[Any], totals: Floats
) -> Floats:
    """Return (class,) factors of the samples' weights.

    Parameters
    ----------
    class_weight : mapping, "balanced" or None
        A factor by class, 1 for those not named; or such factors that all classes weigh the same.
    classes : (class,) array
        The classes.
    totals : (class,) array
        Their summed weights.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f'class_weight must be a mapping, "balanced" or None, got {class_weight!r}'
            )
        return np.asarray(totals.sum() / (len(classes) * np.where(totals > 0.0, totals, np.inf)))
    known = classes.tolist()
    unknown = [key for key in class_weight if key not in known]
    if unknown and len(unknown) == len(class_weight):
        raise ValueError(f"class_weight names classes {unknown} that are not among {known}")
    factors = np.array([float(class_weight.get(name, 1.0)) for name in known])
    if not (np.isfinite(factors).all() and (factors >= 0.0).all()):
        raise ValueError(f"class_weight must hold finite factors of 0 or more, got {class_weight}")
    return factors


def union_of(labels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the sorted classes of several arrays of labels.

    Raises
    ------
    ValueError
        If there are no labels, there is only one class, or some are texts and others numbers.
    """
    parts = [part for part in labels if len(part)]
    if not parts:
        raise ValueError("no chunk has samples; at least 2 are needed")
    if len({_are_texts(part) for part in parts}) > 1:
        raise ValueError("some chunks have texts as labels, others numbers; all must be of a kind")
    classes = np.unique(np.concatenate([np.unique(part) for part in parts]))
    if len(classes) < 2:
        raise ValueError(
            "a classifier needs samples of at least 2 classes, but the data contains only one "
            f"class: {classes[0]!r}"
        )
    return classes


def _are_texts(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "US" or isinstance(labels[0], str)
