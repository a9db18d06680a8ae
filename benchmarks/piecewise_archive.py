"""A million series in Zarr, fitted on a local cluster: CPU time beside that of the loops alone.

    python -m benchmarks.piecewise_archive [--series 1000000] [--workers 2]

The store is read, fitted by `tasks.piecewise.fit_piecewise` and written by two worker processes;
then one process reads it, fits in memory and writes, each timed alone. CPU seconds of all
processes, after everything is imported and compiled.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import xarray as xr
from distributed import Client, LocalCluster

from benchmarks.memory import tree
from core.piecewise import fit_piecewise as fit_series
from tasks.piecewise import fit_piecewise

SERIES, SAMPLES, CHUNK, WORKERS = 1_000_000, 200, 25_000, 2


@dataclass(frozen=True, kw_only=True)
class Archive:
    """CPU seconds of each part."""

    cluster: float
    """Reading, fitting and writing on the cluster, all processes."""
    read: float
    fit: float
    write: float
    """The same in one process, each alone."""
    wall: float
    """Wall seconds on the cluster."""

    @property
    def ratio(self) -> float:
        """The cluster's CPU time over that of the parts."""
        return self.cluster / (self.read + self.fit + self.write)


def write_series(path: Path, series: int) -> None:
    """Write series of two joined lines with noise, a chunk at a time, x from 20 to 60."""
    x = np.linspace(20, 60, SAMPLES)
    rng = np.random.default_rng(0)
    for start in range(0, series, CHUNK):
        count = min(CHUNK, series - start)
        bend = np.maximum(x - rng.uniform(30, 50, (count, 1)), 0)
        values = 0.01 * bend + 0.005 * rng.standard_normal((count, SAMPLES))
        part = xr.Dataset({"y": (("series", "sample"), values)}, coords={"sample": x})
        if start == 0:
            part.to_zarr(
                str(path), consolidated=False, encoding={"y": {"chunks": (CHUNK, SAMPLES)}}
            )
        else:
            part.drop_vars("sample").to_zarr(str(path), append_dim="series", consolidated=False)


def fit_store(source: Path, target: Path) -> None:
    """Read, fit and write, lazily."""
    signal = xr.open_zarr(str(source), consolidated=False).y
    fit_piecewise(signal).to_zarr(str(target), consolidated=False)


def on_cluster(folder: Path, workers: int) -> tuple[float, float]:
    """Return CPU and wall seconds of the whole on a local cluster that is warm."""
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        write_series(folder / "small.zarr", workers * 10)
        client.run(fit_store_here, str(folder))
        fit_store(folder / "small.zarr", folder / "small_fit.zarr")
        before, start = _cpu(), time.monotonic()
        fit_store(folder / "series.zarr", folder / "fit.zarr")
        return _cpu() - before, time.monotonic() - start


def fit_store_here(folder: str) -> None:
    """Load everything that a worker needs, in a worker."""
    signal = xr.open_zarr(f"{folder}/small.zarr", consolidated=False).y
    fit_piecewise(signal.load())


def _cpu() -> float:
    times = [psutil.Process(pid).cpu_times() for pid in tree(os.getpid())]
    return sum(t.user + t.system for t in times)


def alone(work: Callable[[], object]) -> tuple[float, object]:
    """Return CPU seconds of some work in this process, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def in_one_process(folder: Path) -> tuple[float, float, float]:
    """Return CPU seconds of reading the series, fitting them, and writing the fits."""
    read, signal = alone(lambda: xr.open_zarr(folder / "series.zarr", consolidated=False).y.load())
    assert isinstance(signal, xr.DataArray)
    x, y = signal.sample.values, signal.values
    parts = range(0, len(y), CHUNK)
    fit_series(x, y[:10])
    fit, _ = alone(lambda: [fit_series(x, y[n : n + CHUNK]) for n in parts])
    found = fit_piecewise(signal).chunk(series=CHUNK)
    write, _ = alone(lambda: found.to_zarr(str(folder / "again.zarr"), consolidated=False))
    stored = xr.open_zarr(folder / "fit.zarr", consolidated=False)
    xr.testing.assert_equal(stored.breakpoint.load(), found.breakpoint.load())
    return read, fit, write


def main(series: int = SERIES, workers: int = WORKERS) -> Archive:
    """Print and return what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_series(folder / "series.zarr", series)
        cluster, wall = on_cluster(folder, workers)
        read, fit, write = in_one_process(folder)
    found = Archive(cluster=cluster, read=read, fit=fit, write=write, wall=wall)
    print(
        f"{series:,} series of {SAMPLES}: {cluster:.1f} s CPU on {workers} workers "
        f"({wall:.1f} s wall), {found.ratio:.2f}x of what one process needs for "
        f"reading {read:.1f} + fitting {fit:.1f} + writing {write:.1f} s"
    )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A million series on a local cluster")
    parser.add_argument("--series", type=int, default=SERIES)
    parser.add_argument("--workers", type=int, default=WORKERS)
    given = parser.parse_args()
    main(given.series, given.workers)
