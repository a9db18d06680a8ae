"""One number per frame or series, read back from the store: what tables and verdicts need."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import chunks
from tasks.store import DESCRIPTORS, PIQE, QUALITY, Stack, Variable

FEATURES: dict[str, tuple[Variable, ...]] = {
    "image": tuple(variable for variable in QUALITY if variable.dims == PIQE.dims),
    "signal": DESCRIPTORS,
}
"""What the table tells of every item, by kind."""


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

    def of(self, kind: str, stack: str, slot: int) -> dict[str, float]:
        """Return the features of one item by name; NaN where the store has none."""
        values = self._read(kind, stack)
        return {
            name: float(array[slot]) if slot < len(array) else float("nan")
            for name, array in values.items()
        }

    def _read_stack(self, kind: str, name: str) -> dict[str, NDArray[np.float64]]:
        stack = Stack.parse(kind, name)
        return {
            variable.name: read_leniently(self._root, variable, stack)
            for variable in FEATURES[kind]
        }


def read_leniently(root: Path, variable: Variable, stack: Stack) -> NDArray[np.float64]:
    """Return all values of a variable along its first axis; NaN for a missing or damaged chunk."""
    slots = chunks.slots(root, variable, stack)
    try:
        return chunks.read(root, variable, stack, slice(0, slots))
    except chunks.DamagedChunk:
        values = np.full(slots, np.nan)
    for start in range(0, slots, stack.slots_per_chunk):
        at = slice(start, start + stack.slots_per_chunk)
        try:
            values[at] = chunks.read(root, variable, stack, at)
        except chunks.DamagedChunk:
            continue
    return values
