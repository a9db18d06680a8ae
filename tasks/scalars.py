"""One number per frame or series, read back from the store: what tables and verdicts need."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import chunks
from tasks.store import (
    AMPLITUDES,
    BREAKPOINT,
    COMPONENT_STATUS,
    DESCRIPTORS,
    LACK_OF_FIT,
    MAXIMUM,
    MINIMUM,
    N_COMPONENTS,
    N_SEGMENTS,
    PIQE,
    QUALITY,
    SIGMA,
    SIGMAS,
    SLOPE,
    STABLE_COUNT,
    STABLE_LIFETIME,
    STABLE_SIGMA,
    Stack,
    Variable,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reduced:
    """One number of several that the store holds of an item; NaN where it holds none."""

    name: str
    long_name: str
    of: tuple[Variable, ...]
    work: Callable[..., Floats]
    """Takes the variables, their slots along the first axis."""


def _greatest(sizes: Floats, values: Floats) -> Floats:
    """Return, of each row, the value beside the greatest absolute size."""
    places = np.nan_to_num(np.abs(sizes), nan=-1.0).argmax(axis=1)
    return np.asarray(np.take_along_axis(values, places[:, None], axis=1)[:, 0])


def _range(values: Floats) -> Floats:
    return np.asarray(np.fmax.reduce(values, axis=1) - np.fmin.reduce(values, axis=1))


def _fraction(part: Floats, low: Floats, high: Floats) -> Floats:
    whole = high - low
    found = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


SHAPES = (
    Reduced(
        "steepest_slope",
        "slope of the steepest straight piece",
        (SLOPE,),
        lambda slope: _greatest(slope, slope),
    ),
    Reduced("slope_range", "greatest slope of a piece less the least", (SLOPE,), _range),
    Reduced(
        "residual_fraction",
        "deviation from the pieces as a fraction of the signal's range",
        (SIGMA, MINIMUM, MAXIMUM),
        _fraction,
    ),
    Reduced(
        "largest_amplitude",
        "height of the largest Gaussian",
        (AMPLITUDES[0],),
        lambda height: _greatest(height, height),
    ),
    Reduced(
        "largest_sigma",
        "standard width of the largest Gaussian",
        (AMPLITUDES[0], SIGMAS[0]),
        _greatest,
    ),
)
"""The shape of a signal."""

Feature = Variable | Reduced
FEATURES: dict[str, tuple[Feature, ...]] = {
    "image": tuple(v for v in QUALITY if v.dims == PIQE.dims or v.columns),
    "signal": (
        *DESCRIPTORS,
        N_SEGMENTS,
        BREAKPOINT,
        N_COMPONENTS,
        STABLE_COUNT,
        STABLE_SIGMA,
        STABLE_LIFETIME,
        *SHAPES,
        COMPONENT_STATUS,
        LACK_OF_FIT,
    ),
}
"""What the table tells of every item, by kind: one number a variable, or one a column of it, or
one of several."""


class Scalars:
    """The features of a run's items, each stack read once.

    Parameters
    ----------
    root : Path
        The store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read = cache(self._read_stack)
        self._damaged: dict[tuple[str, str], set[int]] = {}

    def damaged(self, kind: str, stack: str, slot: int) -> bool:
        """Tell whether a chunk that holds one of an item's features is missing or damaged."""
        self._read(kind, stack)
        return slot // Stack.parse(kind, stack).slots_per_chunk in self._damaged[kind, stack]

    def of(self, kind: str, stack: str, slot: int) -> dict[str, float]:
        """Return the features of one item by name; NaN where the store has none."""
        values = self._read(kind, stack)
        return {
            name: float(array[slot]) if slot < len(array) else float("nan")
            for name, array in values.items()
        }

    def _read_stack(self, kind: str, name: str) -> dict[str, NDArray[np.float64]]:
        stack = Stack.parse(kind, name)
        damaged = self._damaged[kind, name] = set()
        found: dict[str, NDArray[np.float64]] = {}
        read = cache(lambda variable: read_leniently(self._root, variable, stack, damaged))
        for feature in FEATURES[kind]:
            found |= numbers(feature, read)
        return found


def names(feature: Feature) -> tuple[str, ...]:
    """Return what the table calls the numbers of a feature."""
    return (isinstance(feature, Variable) and feature.columns) or (feature.name,)


def sources(feature: Feature) -> tuple[Variable, ...]:
    """Return what the store holds for a feature."""
    return (feature,) if isinstance(feature, Variable) else feature.of


def numbers(feature: Feature, read: Callable[[Variable], NDArray[Any]]) -> dict[str, Floats]:
    """Return a feature's numbers by name, each a (slot,) array.

    Parameters
    ----------
    feature : Variable or Reduced
        What is asked for.
    read : callable
        Takes a variable, returns its values with slots along the first axis.
    """
    arrays = [read(variable) for variable in sources(feature)]
    if isinstance(feature, Variable):
        return dict(zip(names(feature), np.atleast_2d(arrays[0].T), strict=True))
    slots = min(map(len, arrays))
    with np.errstate(all="ignore"):
        return {feature.name: feature.work(*(array[:slots] for array in arrays))}


def read_leniently(
    root: Path, variable: Variable, stack: Stack, damaged: set[int]
) -> NDArray[np.float64]:
    """Return all values of a variable, its slots along the first axis.

    A chunk that is missing or damaged reads as NaN, and its number is put into `damaged`.
    """
    slots = chunks.slots(root, variable, stack)
    try:
        return chunks.read(root, variable, stack, slice(0, slots))
    except chunks.DamagedChunk:
        values = np.full(variable.shape(stack, slots), np.nan)
    for start in range(0, slots, stack.slots_per_chunk):
        at = slice(start, start + stack.slots_per_chunk)
        try:
            values[at] = chunks.read(root, variable, stack, at)
        except chunks.DamagedChunk:
            damaged.add(start // stack.slots_per_chunk)
    return values
