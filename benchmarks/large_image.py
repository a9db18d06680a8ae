"""Peak memory and time of scoring an image of 30,000 by 30,000 pixels, tile by tile.

    python -m benchmarks.large_image [--side 30000] [--workers 2]

A made image is written into Zarr tile by tile, scored by `tasks.quality.piqe` on a local Dask
cluster, and scored again in bands by one process: the bits must be the same.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from distributed import Client, LocalCluster

from benchmarks.memory import tree
from benchmarks.piqe import picture
from core.piqe import PiqeParams, block_statistics, pool
from core.piqe_blocks import join
from tasks.quality import piqe

SIDE, TILE, WORKERS = 30_000, 2048, 2


@dataclass(frozen=True, kw_only=True)
class Large:
    """What scoring the large image took."""

    score: float
    same_bits: bool
    coordinator: float
    """MB of the process that asks, when all together took most."""
    workers: list[float]
    """MB of each process below it: the workers, and one of Python's own."""
    seconds: float


def write_image(path: Path, side: int) -> None:
    """Write the image: parts of one picture, each tile from another place and darker or lighter."""
    base = picture((TILE + 512, TILE + 512)).astype(np.int16)
    array = zarr.create_array(
        str(path),
        shape=(side, side),
        chunks=(TILE, TILE),
        dtype="uint8",
        config={"write_empty_chunks": True},
    )
    rng = np.random.default_rng(0)
    for top in range(0, side, TILE):
        for left in range(0, side, TILE):
            y, x, lighter = rng.integers(0, 512), rng.integers(0, 512), rng.integers(-40, 40)
            rows, columns = min(TILE, side - top), min(TILE, side - left)
            tile = base[y : y + rows, x : x + columns] + lighter
            array[top : top + rows, left : left + columns] = tile.clip(0, 255).astype(np.uint8)


def score_on_cluster(path: Path, workers: int) -> tuple[float, list[float]]:
    """Return the score, and the MB of this process and of each worker when all took most."""
    peak: dict[int, float] = {}
    done = Event()

    def watch() -> None:
        while not done.wait(0.1):
            now = {pid: proportional(pid) for pid in tree(os.getpid())}
            if sum(now.values()) > sum(peak.values()):
                peak.clear()
                peak.update(now)

    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster),  # type: ignore[no-untyped-call]
    ):
        thread = Thread(target=watch)
        thread.start()
        image = xr.DataArray(da.from_zarr(str(path)), dims=("y", "x"))
        score = float(piqe(image).piqe.compute())
        done.set()
        thread.join()
    own = peak.pop(os.getpid())
    return score, [own, *sorted(peak.values(), reverse=True)]


def proportional(pid: int) -> float:
    """Return the MB of a process, its share of what it shares with others; Linux only."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def score_in_bands(path: Path) -> float:
    """Return the score as one process finds it, a band of rows at a time."""
    array, params = zarr.open_array(str(path), mode="r"), PiqeParams()
    side, halo = array.shape[0], params.halo()
    parts = []
    for top in range(0, side, TILE):
        first, bottom = max(0, top - halo), min(side, top + TILE)
        rows = np.asarray(array[first : min(side, bottom + halo)])
        parts.append([block_statistics(rows, params, rows=(top - first, bottom - first))])
    return pool(join(parts))


def main(side: int = SIDE, workers: int = WORKERS) -> Large:
    """Print and return what it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.zarr")
        write_image(path, side)
        start = time.monotonic()
        score, (coordinator, *others) = score_on_cluster(path, workers)
        seconds = time.monotonic() - start
        same = score == score_in_bands(path)
    found = Large(
        score=score, same_bits=same, coordinator=coordinator, workers=others, seconds=seconds
    )
    told = " + ".join(f"{peak:.0f}" for peak in (coordinator, *others))
    bits = "the same" if same else "OTHER"
    print(f"{side} x {side} pixels: PIQE {score:.4f}, {bits} bits in bands")
    print(
        f"in {seconds:.0f} s; at the peak {told} = {coordinator + sum(others):.0f} MB of memory "
        "(asking process, workers; what they share is counted once)"
    )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Memory of scoring one large image")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--workers", type=int, default=WORKERS)
    given = parser.parse_args()
    main(given.side, given.workers)
