"""What may come as features, labels and weights, and the words for what may not."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from core.logistic._protocol import ColumnVectorWarning, theirs
from core.logistic._types import Floats, Given, Matrix, Reals

_LISTED = 5


def to_features(x: Given, least: int = 1) -> Matrix:
    """Return (sample, feature) features as finite float32 or float64, C-ordered or CSR.

    Parameters
    ----------
    x : (sample, feature) array_like or sparse
        What came.
    least : int
        Samples that there must be: a chunk may have none.

    Raises
    ------
    ValueError
        If they are not two-dimensional, empty, complex, or hold NaN or infinity.
    """
    if sparse.issparse(x):
        return _to_csr(x, least)
    array = np.asarray(x)
    _require_real(array.dtype)
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead, of shape {array.shape}. Reshape "
            "your data with x.reshape(-1, 1) if it has a single feature or x.reshape(1, -1) if it "
            "is a single sample."
        )
    _require_some(array.shape, least)
    kind = array.dtype if array.dtype in (np.float32, np.float64) else np.float64
    array = np.ascontiguousarray(array, dtype=kind)
    step = max(1, 1_000_000 // array.shape[1])
    for start in range(0, len(array), step):
        if not np.isfinite(array[start : start + step]).all():
            _refuse_not_finite("X", array[start : start + step])
    return array


def _to_csr(x: Given, least: int) -> Matrix:
    _require_real(x.dtype)
    if x.ndim != 2:
        raise ValueError(f"Expected 2D array, got {x.ndim}D sparse array instead")
    _require_some(x.shape, least)
    csr = sparse.csr_array(x)
    if csr.dtype not in (np.float32, np.float64):
        csr = csr.astype(np.float64)
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    if not np.isfinite(csr.data).all():
        _refuse_not_finite("X", csr.data)
    return csr


def _require_real(dtype: np.dtype[Any]) -> None:
    if np.issubdtype(dtype, np.complexfloating):
        raise ValueError("Complex data not supported: split it into real features")


def _require_some(shape: tuple[int, ...], least: int) -> None:
    if shape[0] < least:
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is "
                         "required.")  # fmt: skip
    if shape[1] == 0:
        raise ValueError(f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is "
                         "required.")  # fmt: skip


def _refuse_not_finite(what: str, values: Reals) -> None:
    found = "NaN" if np.isnan(values).any() else "infinity"
    raise ValueError(
        f"Input {what} contains {found}; every value must be finite (neither NaN nor inf): impute "
        "or drop those samples first"
    )


def feature_names(x: Given) -> NDArray[Any] | None:
    """Return the names of a table's columns if all are texts."""
    columns = getattr(x, "columns", None)
    if columns is None:
        return None
    names = np.asarray(columns, dtype=object)
    return names if len(names) and all(isinstance(name, str) for name in names) else None


def names_of_all(chunks: Sequence[Given]) -> NDArray[Any] | None:
    """Return the names that the columns of all chunks have.

    Raises
    ------
    ValueError
        If two chunks have other names or another order of them, or only some have names.
    """
    found = [feature_names(x) for x in chunks]
    first = None if found[0] is None else list(found[0])
    for n, names in enumerate(found):
        if (None if names is None else list(names)) != first:
            told = [list(some[:_LISTED]) if some is not None else "none" for some in (names, first)]
            raise ValueError(
                f"chunk {n} has the feature names {told[0]}, chunk 0 has {told[1]}; all chunks "
                "must have the same columns in the same order"
            )
    return found[0]


def require_same_names(fitted: NDArray[Any] | None, x: Given, who: str) -> None:
    """Refuse a table whose columns are other than those of the fit; warn where one has none."""
    names = feature_names(x)
    if fitted is None or names is None:
        if fitted is not None or names is not None:
            without, given = ("X", "fitted with") if names is None else (who, "given")
            told = (
                f"{without} does not have valid feature names, but {who} was {given} feature names"
                if names is None
                else f"X has feature names, but {who} was fitted without feature names"
            )
            warnings.warn(told, UserWarning, stacklevel=4)
        return
    if list(names) == list(fitted):
        return
    message = "The feature names should match those that were passed during fit.\n"
    message += _listed("Feature names unseen at fit time:", set(names) - set(fitted))
    message += _listed("Feature names seen at fit time, yet now missing:", set(fitted) - set(names))
    if set(names) == set(fitted):
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


def _listed(heading: str, names: set[str]) -> str:
    if not names:
        return ""
    lines = [heading, *(f"- {name}" for name in sorted(names)[:_LISTED])]
    return "\n".join([*lines, "- ..."] if len(names) > _LISTED else lines) + "\n"


def to_labels(y: Given, samples: int) -> NDArray[Any]:
    """Return (sample,) labels: numbers, texts or booleans.

    Raises
    ------
    ValueError
        If they are missing, not one for each sample, not finite, or real numbers.
    """
    if y is None:
        raise ValueError("a fit requires y to be passed, but the target y is None")
    if sparse.issparse(y):
        raise ValueError("y is sparse; labels must be a flat array, one for each sample")
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape "
            "of y to (n_samples,), for example using ravel().",
            theirs("exceptions", "DataConversionWarning", ColumnVectorWarning),
            stacklevel=4,
        )
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"y should be a 1d array, got an array of shape {labels.shape} instead")
    if len(labels) != samples:
        raise ValueError(f"X has {samples} samples, y has {len(labels)}; one label each is needed")
    _require_real(labels.dtype)
    if labels.dtype.kind == "O":
        return _objects(labels)
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            _refuse_not_finite("y", labels)
        if (labels != np.floor(labels)).any():
            raise ValueError(
                "Unknown label type: continuous. Labels must be classes: whole numbers, texts or "
                "booleans; real numbers want a regression"
            )
    return labels


def _objects(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels of Python objects if they are all texts, or all numbers."""
    if any(one is None or one != one for one in labels):  # only NaN is unlike itself
        raise ValueError("Input y contains NaN or None; drop the samples without a label first")
    if len({isinstance(one, str) for one in labels}) > 1:
        raise ValueError("y holds texts beside numbers; labels must be all of one kind")
    return labels


def to_weights(weights: Given, samples: int) -> Floats:
    """Return (sample,) float64 weights, ones if none are given.

    Raises
    ------
    ValueError
        If there is not one for each sample, one is negative or not finite, or all are 0.
    """
    if weights is None:
        return np.ones(samples)
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(samples, float(array))
    if array.shape != (samples,):
        raise ValueError(
            f"sample_weight has shape {array.shape}; ({samples},), one weight each, is needed"
        )
    if not np.isfinite(array).all():
        _refuse_not_finite("sample_weight", array)
    if (array < 0.0).any():
        raise ValueError("sample_weight holds negative numbers; 0 leaves a sample out")
    return array
