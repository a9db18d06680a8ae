"""Thumbnails and masks of single frames, read back from the store."""

from typing import Any

import numpy as np

from tasks import chunks, store
from tasks.report import page, thumbnails
from tasks.slots import Slots
from tasks.store import Stack


class Pictures:
    """Thumbnails and masks of single frames; a damaged chunk costs its pictures, no more."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def _frame(self, variable: store.Variable, row: dict[str, Any]) -> Any:  # noqa: ANN401
        return self._slots.read(variable, Stack.parse("image", row["stack"]), row["slot"])

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
