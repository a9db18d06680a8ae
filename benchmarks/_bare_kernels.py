"""The kernels of a run in a process pool, without the engine; `orchestration.py` starts it.

    python -m benchmarks._bare_kernels FOLDER OUT kernels|stored WORKERS

`kernels`: each image is hashed, decoded, made gray, and scored with its statistics. `stored`: the
batch functions of a run, which also write chunks, called without a cluster, ledger or report.
"""

import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from core.luma import to_gray
from core.piqe import PiqeParams, piqe
from tasks import chunks, ingest, probe, readers, scan, scoring, store
from tasks.batches import Batch, Item, Order
from tasks.output import Output
from tasks.readers.base import Part
from tasks.store import Stack

READER = "JPEG"
Image.MAX_IMAGE_PIXELS = None  # these files are our own


def score_file(path: Path) -> float:
    """Do what a run does with an image's pixels, and keep nothing."""
    probe.hash_of(path)
    with Image.open(path) as image:
        part = Part(name="", kind="image", shape=(image.height, image.width), dtype="uint8")
    decoded = readers.reader_named(READER).read(path, part)
    gray = np.concatenate([to_gray(band) for band in decoded.bands])
    return piqe(gray, PiqeParams(), statistics=True).score


def score_batch(task: tuple[Order, Batch]) -> int:
    """Do what a run's workers do with a batch."""
    order, batch = task
    for item in batch.items:
        probe.hash_of(probe.locate(order.source, item.path))
    outcomes = ingest.ingest_images(order, batch)
    outcomes += scoring.score_batch(order.asking(PiqeParams()), batch)
    assert not [outcome for outcome in outcomes if outcome.code], outcomes
    return len(batch.items)


def batches(source: Path, out: Path) -> Iterator[tuple[Order, Batch]]:
    """Cut a folder of images into whole-chunk batches and make room for them."""
    order = Order(output=Output(out), source=source, item_timeout=600)
    sizes: dict[tuple[int, ...], list[Path]] = defaultdict(list)
    for path in sorted(source.rglob("*.*")):
        with Image.open(path) as image:
            sizes[image.height, image.width].append(path)
    for shape, paths in sizes.items():
        stack = Stack.of("image", shape, "uint8", in_place=False)
        count = stack.slots_per_chunk
        room = -(-len(paths) // count) * count
        chunks.ensure(order.output.store, stack, (*store.IMAGES, *store.QUALITY), room)
        for start in range(0, len(paths), count):
            items = tuple(
                _item(path, slot, shape, source)
                for slot, path in enumerate(paths[start : start + count], start)
            )
            yield order, Batch(stack=stack.name, start=start, items=items)


def _item(path: Path, slot: int, shape: tuple[int, ...], source: Path) -> Item:
    status = path.stat()
    return Item(
        id=slot + 1,
        path=bytes(path.relative_to(source)),
        kind="image",
        format=READER,
        slot=slot,
        shape=shape,
        size=status.st_size,
        mtime_ns=scan.mtime_of(status),
    )


def main(source: Path, out: Path, what: str, workers: int) -> None:
    """Do it all."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        if what == "kernels":
            paths = sorted(source.rglob("*.*"))
            done = len(list(pool.map(score_file, paths, chunksize=8)))
        else:
            done = sum(pool.map(score_batch, batches(source, out)))
    print(done)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
