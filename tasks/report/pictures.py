"""Thumbnails and masks of single frames, read back from the store."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tasks import chunks, store
from tasks.report import page, thumbnails
from tasks.store import Stack


class Pictures:
    """Thumbnails and masks of single frames; a damaged chunk costs its pictures, no more."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._chunk = lru_cache(maxsize=8)(self._read_chunk)

    def _read_chunk(self, variable: store.Variable, stack: Stack, start: int) -> Any:  # noqa: ANN401
        slots = slice(start, start + stack.slots_per_chunk)
        return chunks.read(self._root, variable, stack, slots)

    def _frame(self, variable: store.Variable, row: dict[str, Any]) -> Any:  # noqa: ANN401
        stack = Stack.parse("image", row["stack"])
        start = row["slot"] // stack.slots_per_chunk * stack.slots_per_chunk
        return self._chunk(variable, stack, start)[row["slot"] - start]

    def thumbnail(self, row: dict[str, Any]) -> str:
        """Return the picture of one image as a data address, or nothing."""
        height, width = store.thumbnail_size(row["height"], row["width"])
        try:
            picture = self._frame(store.SMALL, row)[:height, :width]
        except chunks.DamagedChunk:
            return ""
        return thumbnails.thumbnail(np.ascontiguousarray(picture))

    def masks(self, row: dict[str, Any]) -> page.Masks | None:
        """Return the block masks of one image, or nothing."""
        rows, columns = -(-row["height"] // store.BLOCK), -(-row["width"] // store.BLOCK)
        try:
            maps = [
                self._frame(variable, row)[:rows, :columns]
                for variable in (store.ACTIVITY, store.ARTIFACT, store.NOISE)
            ]
        except chunks.DamagedChunk:
            return None
        return thumbnails.masks(*maps)
