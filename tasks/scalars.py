"""One number per frame or series, read back from the store: what tables and verdicts need."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import chunks
from tasks.store import (
    BREAKPOINT,
    COMPONENT_STATUS,
    DESCRIPTORS,
    LACK_OF_FIT,
    N_COMPONENTS,
    N_SEGMENTS,
    PIQE,
    QUALITY,
    STABLE_COUNT,
    Stack,
    Variable,
)

FEATURES: dict[str, tuple[Variable, ...]] = {
    "image": tuple(v for v in QUALITY if v.dims == PIQE.dims or v.columns),
    "signal": (
        *DESCRIPTORS,
        N_SEGMENTS,
        BREAKPOINT,
        N_COMPONENTS,
        STABLE_COUNT,
        COMPONENT_STATUS,
        LACK_OF_FIT,
    ),
}
"""What the table tells of every item, by kind: one number a variable, or one a column of it."""


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
        for variable in FEATURES[kind]:
            values = read_leniently(self._root, variable, stack, damaged)
            found |= dict(zip(names(variable), np.atleast_2d(values.T), strict=True))
        return found


def names(variable: Variable) -> tuple[str, ...]:
    """Return what the table calls the numbers of a variable."""
    return variable.columns or (variable.name,)


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
