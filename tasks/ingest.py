"""Decode every image and signal, and put it into the store, gray and in its own class."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.luma import BLUE, GREEN, RED, to_gray
from tasks import chunks, probe, store, watchdog, worklist
from tasks.bands import Thumbnail, recut
from tasks.batches import Batch, Item, Order
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.readers import reader_named
from tasks.readers.base import Image, Part, Refused, Signal
from tasks.store import Stack

VERSION = 2
STEP = "ingest"
GRAY = f"{RED} R + {GREEN} G + {BLUE} B in the input's class, integers rounded half away from zero"
Array = NDArray[Any]


def ingest(order: Order) -> None:
    """Decode what is new or changed into `images` and `signals`."""
    with Ledger(order.output.ledger) as ledger:
        for kind, variables, work in (
            ("image", store.IMAGES, ingest_images),
            ("signal", store.SIGNALS, ingest_signals),
        ):
            step = worklist.Step(name=STEP, kind=kind, mark=fingerprint(VERSION))
            worklist.reserve(ledger, order.output, kind, variables)
            gray = {"gray": GRAY} if kind == "image" else {}
            worklist.make_room(ledger, order.output, step, variables, **gray)
            worklist.carry_out(ledger, step, order, work)


def open_item(order: Order, item: Item) -> Image | Signal:
    """Decode one item of the source."""
    path = probe.locate(order.source, item.path)
    part = Part(name=item.part, kind=item.kind, shape=item.shape, dtype="")  # type: ignore[arg-type]
    return reader_named(item.format).read(path, part)


def refusal_of(item: Item, error: Exception) -> Outcome:
    """Put what went wrong with one item in the words of the ledger."""
    if isinstance(error, Refused | OSError):
        refusal = probe.refused(error)
    elif isinstance(error, MemoryError):
        refusal = Refused("too-large", "decoding it took more memory than a worker has")
    else:
        refusal = Refused("unsupported", str(error))
    return Outcome(item=item.id, code=refusal.code, reason=refusal.reason)


def ingest_images(order: Order, batch: Batch) -> list[Outcome]:
    """Decode the images of one batch into their chunk; runs in a worker."""
    stack = Stack.parse("image", batch.stack)
    frames: dict[int, Array] = {}
    small: dict[int, Array] = {}
    outcomes = []
    for item in batch.items:
        try:
            with watchdog.deadline(order.item_timeout):
                frame = _Frame(order, item, stack)
                frames[item.slot], small[item.slot] = frame.pixels, frame.thumbnail
                probe.require_unchanged(probe.locate(order.source, item.path), item)
            outcomes.append(Outcome(item=item.id, facts=frame.facts, pixels=frame.count))
        except (Refused, OSError, ValueError, MemoryError) as error:
            outcomes.append(refusal_of(item, error))
    good = {outcome.item for outcome in outcomes if not outcome.code}
    kept = [item for item in batch.items if item.id in good]
    if kept and order.still_valid():
        _write_frames(order.output.store, stack, batch, kept, frames, small)
    return outcomes


def _write_frames(
    root: Path,
    stack: Stack,
    batch: Batch,
    kept: list[Item],
    frames: dict[int, Array],
    small: dict[int, Array],
) -> None:
    whole = () if stack.tiled or stack.in_place else ((store.IMAGE, frames),)
    for variable, values in (
        *whole,
        (store.SMALL, small),
        (store.HEIGHT, {item.slot: item.shape[0] for item in kept}),
        (store.WIDTH, {item.slot: item.shape[1] for item in kept}),
        (store.FRAME_ITEM, {item.slot: item.id for item in kept}),
    ):
        slots = {item.slot: values[item.slot] for item in kept}
        chunks.update(root, variable, stack, batch.start, slots, shared=batch.shared)


class _Frame:
    """One decoded image: held whole, or, where it is larger than a chunk, written by tile rows."""

    def __init__(self, order: Order, item: Item, stack: Stack) -> None:
        image = open_item(order, item)
        assert isinstance(image, Image)
        self.count = item.shape[0] * item.shape[1]
        self.low, self.high = np.inf, -np.inf
        small = Thumbnail(*item.shape)
        checked = _checked(image.bands, item, stack)
        gray = (to_gray(self._watch(small.add(band))) for band in checked)
        self.pixels: Array = np.empty((0, 0))
        if stack.in_place:
            for _ in gray:
                pass
        elif stack.tiled:
            if order.still_valid():
                chunks.write_tile_rows(
                    order.output.store, store.IMAGE, stack, item.slot, recut(gray, store.TILE)
                )
        else:
            self.pixels = np.concatenate(list(gray))
        self.thumbnail = small.picture()
        self.facts = (("route", image.route), ("note", self._note()))

    def _watch(self, band: Array) -> Array:
        """Keep the range of floating-point pixels."""
        if band.dtype.kind == "f":
            self.low, self.high = min(self.low, band.min()), max(self.high, band.max())
        return band

    def _note(self) -> str:
        if self.high < self.low or (self.low >= 0 and self.high <= 1):
            return ""
        return (
            f"floating-point pixels from {self.low:.4g} to {self.high:.4g}: PIQE expects 0 to 1, "
            "so the score is not comparable with others unless data_range told it what is white"
        )


def _checked(bands: Iterator[Array], item: Item, stack: Stack) -> Iterator[Array]:
    """Hold a reader to what the header promised."""
    rows = 0
    for band in bands:
        rows += len(band)
        if band.shape[1] != item.shape[1] or str(band.dtype) != stack.dtype:
            raise Refused(
                "corrupt",
                f"its pixels ({band.shape[1]} wide, {band.dtype}) are not what its header "
                f"promises ({item.shape[1]} wide, {stack.dtype})",
            )
        yield band
    if rows != item.shape[0]:
        raise Refused("corrupt", f"holds {rows} rows, its header promises {item.shape[0]}")


def ingest_signals(order: Order, batch: Batch) -> list[Outcome]:
    """Decode the signals of one batch into their chunk; runs in a worker."""
    stack = Stack.parse("signal", batch.stack)
    signals: dict[int, Signal] = {}
    outcomes = []
    for item in batch.items:
        try:
            with watchdog.deadline(order.item_timeout):
                signal = open_item(order, item)
                assert isinstance(signal, Signal)
                _require_length(signal, item)
                probe.require_unchanged(probe.locate(order.source, item.path), item)
            signals[item.slot] = signal
            outcomes.append(Outcome(item=item.id, facts=_facts(signal), pixels=len(signal.values)))
        except (Refused, OSError, ValueError, MemoryError) as error:
            outcomes.append(refusal_of(item, error))
    if signals and order.still_valid():
        ids = {item.slot: item.id for item in batch.items if item.slot in signals}
        _write_signals(order.output.store, stack, batch, signals, ids)
    return outcomes


def _require_length(signal: Signal, item: Item) -> None:
    if len(signal.values) != item.shape[0]:
        raise Refused(
            "corrupt",
            f"holds {len(signal.values)} samples, its header promises {item.shape[0]}",
        )


def _facts(signal: Signal) -> tuple[tuple[str, str], ...]:
    return (
        ("route", signal.route),
        ("x_name", signal.x_name),
        ("x_units", signal.x_units),
        ("units", signal.units),
        ("note", signal.note),
    )


def _write_signals(
    root: Path, stack: Stack, batch: Batch, signals: dict[int, Signal], ids: dict[int, int]
) -> None:
    values = {slot: signal.values for slot, signal in signals.items()}
    x = {
        slot: np.arange(len(signal.values), dtype=np.float64) if signal.x is None else signal.x
        for slot, signal in signals.items()
    }
    lengths = {slot: len(signal.values) for slot, signal in signals.items()}
    for variable, slots in (
        (store.SIGNAL, values),
        (store.X, x),
        (store.LENGTH, lengths),
        (store.SERIES_ITEM, ids),
    ):
        chunks.update(root, variable, stack, batch.start, slots, shared=batch.shared)
