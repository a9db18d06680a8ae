"""The steps that measure images: their scores and statistics, and their MSCN maps."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from core.form import FORM
from core.levels import require_pixels
from core.luma import to_gray
from core.mscn import MscnParams, mscn
from core.mscn_statistics import estimate
from core.piqe import Blocks, PiqeParams, block_statistics, pool
from core.piqe_blocks import join
from tasks import batches, chunks, ingest, store, watchdog, worklist
from tasks.bands import recut, with_halo
from tasks.batches import Batch, Item, Order
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.readers.base import Refused
from tasks.slots import Slots
from tasks.store import Stack

VERSION = 2
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class QualityParams:
    """What is measured of every image."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    piqe: PiqeParams = field(default_factory=PiqeParams)
    """How the PIQE score and its block maps are computed; the defaults are MATLAB's."""
    mscn_maps: bool = False
    """Store every image's MSCN map too: 4 bytes a pixel before compression."""


def score(order: Order, params: QualityParams) -> None:
    """Score every image whose score is missing or stale, into `quality`."""
    step = worklist.Step(name="piqe", kind="image", mark=_mark(params.piqe))
    _carry_out(order.asking(params.piqe), step, score_batch, store.QUALITY)


def write_mscn_maps(order: Order, params: QualityParams) -> None:
    """Write every image's MSCN map that is missing or stale, where they are asked for."""
    if params.mscn_maps:
        step = worklist.Step(name="mscn", kind="image", mark=_mark(params.piqe.mscn))
        _carry_out(order.asking(params.piqe.mscn), step, mscn_batch, (store.MSCN,))


def _mark(params: PiqeParams | MscnParams) -> str:
    return fingerprint(VERSION, {**asdict(params), "ingest version": ingest.VERSION})


def _carry_out(
    order: Order,
    step: worklist.Step,
    work: batches.Work,
    variables: tuple[store.Variable, ...],
) -> None:
    with Ledger(order.output.ledger) as ledger:
        worklist.make_room(ledger, order.output, step, variables)
        worklist.carry_out(ledger, step, order, work)


def score_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Score the frames of one batch; runs in a worker."""
    stack, held = Stack.parse("image", batch.stack), Slots(order.output.store)
    found: dict[store.Variable, dict[int, Any]] = {variable: {} for variable in store.QUALITY}
    outcomes = []
    for item in batch.items:
        with watchdog.deadline(order.item_timeout):
            try:
                blocks = _blocks(order, item, stack, held)
            except (Refused, OSError, ValueError) as error:
                outcomes.append(ingest.refusal_of(item, error))
                continue
        for variable, value in _results(blocks, item.shape).items():
            found[variable][item.slot] = value
        outcomes.append(Outcome(item=item.id, pixels=item.shape[0] * item.shape[1]))
    if found[store.PIQE] and order.still_valid():
        for variable, values in found.items():
            chunks.update(
                order.output.store, variable, stack, batch.start, values, shared=batch.shared
            )
    return outcomes


def _blocks(order: Order, item: Item, stack: Stack, held: Slots) -> Blocks:
    """Measure an image band by band: the same bits as the whole, in bounded memory."""
    params: PiqeParams = order.params
    require_pixels(item.shape)
    bands = with_halo(_rows(order, item, stack, held), params.halo(statistics=True))
    return join(
        [
            [
                block_statistics(
                    params.mscn.gray_levels(band), params, rows=(top, top + rows), statistics=True
                )
            ]
            for band, top, rows in bands
        ]
    )


def _results(blocks: Blocks, shape: tuple[int, ...]) -> dict[store.Variable, Any]:
    assert blocks.moments is not None
    return {
        store.PIQE: pool(blocks),
        store.ACTIVITY: blocks.activity,
        store.ARTIFACT: blocks.artifact,
        store.NOISE: blocks.noise,
        store.ACTIVE: blocks.activity.mean(),
        store.DISTORTED: blocks.artifact.mean(),
        store.NOISY: blocks.noise.mean(),
        store.STATISTICS: estimate(blocks.moments, shape).values,
    }


def _rows(order: Order, item: Item, stack: Stack, held: Slots) -> Iterator[Array]:
    """Yield the gray rows of one frame, from the store or from where they lie.

    Frames that share a chunk are read together: it is decompressed once for all of them.
    """
    height, width = item.shape
    if stack.in_place:
        image = ingest.open_item(order, item)
        yield from recut((to_gray(band) for band in image.bands), store.TILE)  # type: ignore[union-attr]
        return
    if not stack.tiled:
        yield held.read(store.IMAGE, stack, item.slot)[:height, :width]
        return
    slots = slice(item.slot, item.slot + 1)
    for top in range(0, height, store.TILE):
        rows = slice(top, min(top + store.TILE, height))
        frame = chunks.read(order.output.store, store.IMAGE, stack, slots, rows, slice(0, width))
        yield frame[0]


def mscn_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Write the MSCN maps of one batch; runs in a worker."""
    stack, held = Stack.parse("image", batch.stack), Slots(order.output.store)
    whole: dict[int, Array] = {}
    outcomes = []
    for item in batch.items:
        try:
            with watchdog.deadline(order.item_timeout):
                maps = _mscn_bands(order, item, stack, held)
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


def _mscn_bands(order: Order, item: Item, stack: Stack, held: Slots) -> Iterator[Array]:
    params: MscnParams = order.params
    for band, top, rows in with_halo(_rows(order, item, stack, held), params.halo):
        yield mscn(band, params)[top : top + rows].astype(np.float32)
