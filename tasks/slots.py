"""What the store holds of single items, read a chunk at a time."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks import chunks
from tasks.store import Stack, Variable

HELD = 64
"""Chunks that are kept: those of every variable of a few batches."""


class Slots:
    """Values of single frames or series; neighbours share the reading of their chunk.

    Parameters
    ----------
    root : Path
        The store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._chunk = lru_cache(maxsize=HELD)(self._read_chunk)

    def _read_chunk(self, variable: Variable, stack: Stack, start: int) -> Any:  # noqa: ANN401
        return chunks.read(self._root, variable, stack, slice(start, start + stack.slots_per_chunk))

    def read(self, variable: Variable, stack: Stack, slot: int) -> Any:  # noqa: ANN401
        """Return what a variable holds of one item.

        Raises
        ------
        tasks.chunks.DamagedChunk
            Where it is missing or damaged.
        """
        start = slot // stack.slots_per_chunk * stack.slots_per_chunk
        return self._chunk(variable, stack, start)[slot - start]

    def named(
        self, variables: tuple[Variable, ...], kind: str, row: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Return what some variables hold of a table's row, by name; None where one is damaged."""
        stack = Stack.parse(kind, row["stack"])
        try:
            return {v.name: self.read(v, stack, row["slot"]) for v in variables}
        except chunks.DamagedChunk:
            return None
