"""What a worker does with one batch of frames: score them, or write their MSCN maps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.luma import to_gray, to_levels
from core.mscn import MscnParams, mscn
from core.piqe import Blocks, block_statistics, pool
from tasks import chunks, ingest, store, watchdog
from tasks.bands import recut, with_halo
from tasks.batches import Batch, Item, Order
from tasks.ledger import Outcome
from tasks.readers.base import Refused
from tasks.store import Stack

Array = NDArray[Any]


def score_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Score the frames of one batch; runs in a worker."""
    stack = Stack.parse("image", batch.stack)
    found: dict[store.Variable, dict[int, Any]] = {variable: {} for variable in store.QUALITY}
    outcomes = []
    for item in batch.items:
        with watchdog.deadline(order.item_timeout):
            try:
                blocks = _blocks(order, item, stack)
            except (Refused, OSError, ValueError) as error:
                outcomes.append(ingest.refusal_of(item, error))
                continue
        for variable, value in _results(blocks).items():
            found[variable][item.slot] = value
        outcomes.append(Outcome(item=item.id, pixels=item.shape[0] * item.shape[1]))
    if found[store.PIQE] and order.still_valid():
        for variable, values in found.items():
            chunks.update(
                order.output.store, variable, stack, batch.start, values, shared=batch.shared
            )
    return outcomes


def _blocks(order: Order, item: Item, stack: Stack) -> Blocks:
    """Measure an image band by band: the same bits as the whole, in bounded memory."""
    maps = [
        block_statistics(to_levels(band), order.params, rows=(top, top + rows))
        for band, top, rows in with_halo(_rows(order, item, stack), order.params.mscn.halo)
    ]
    joined = {
        name: np.concatenate([getattr(part, name) for part in maps])
        for name in ("variance", "activity", "artifact", "noise")
    }
    return Blocks(**joined)


def _results(blocks: Blocks) -> dict[store.Variable, Any]:
    return {
        store.PIQE: pool(**vars(blocks)),
        store.ACTIVITY: blocks.activity,
        store.ARTIFACT: blocks.artifact,
        store.NOISE: blocks.noise,
        store.ACTIVE: blocks.activity.mean(),
        store.DISTORTED: blocks.artifact.mean(),
        store.NOISY: blocks.noise.mean(),
    }


def _rows(order: Order, item: Item, stack: Stack) -> Iterator[Array]:
    """Yield the gray rows of one frame, from the store or from where they lie."""
    height, width = item.shape
    if stack.in_place:
        image = ingest.open_item(order, item)
        yield from recut((to_gray(band) for band in image.bands), store.TILE)  # type: ignore[union-attr]
        return
    slots = slice(item.slot, item.slot + 1)
    for top in range(0, height, store.TILE):
        rows = slice(top, min(top + store.TILE, height))
        frame = chunks.read(order.output.store, store.IMAGE, stack, slots, rows, slice(0, width))
        yield frame[0]


def mscn_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Write the MSCN maps of one batch; runs in a worker."""
    stack = Stack.parse("image", batch.stack)
    whole: dict[int, Array] = {}
    outcomes = []
    for item in batch.items:
        try:
            with watchdog.deadline(order.item_timeout):
                maps = _mscn_bands(order, item, stack)
                if not stack.tiled:
                    whole[item.slot] = np.concatenate(list(maps))
                elif order.still_valid():
                    chunks.write_tile_rows(order.output.store, store.MSCN, stack, item.slot, maps)
        except (Refused, OSError, ValueError) as error:
            outcomes.append(ingest.refusal_of(item, error))
            continue
        outcomes.append(Outcome(item=item.id, pixels=item.shape[0] * item.shape[1]))
    if whole and order.still_valid():
        chunks.update(
            order.output.store, store.MSCN, stack, batch.start, whole, shared=batch.shared
        )
    return outcomes


def _mscn_bands(order: Order, item: Item, stack: Stack) -> Iterator[Array]:
    params: MscnParams = order.params
    for band, top, rows in with_halo(_rows(order, item, stack), params.halo):
        yield mscn(band, params)[top : top + rows].astype(np.float32)
