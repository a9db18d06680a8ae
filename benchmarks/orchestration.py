"""What a run costs beside its kernels: in a process pool, `--direct`, and as a Prefect flow.

    python -m benchmarks.orchestration [--small 100 1000 10000] [--large 60] [--side 12000]

CPU seconds of all processes, Prefect's server among them; each way is a fresh command. `kernels`
hashes, decodes and scores every image in a process pool and keeps nothing; `stored` calls a run's
batch functions in a pool, so that it writes the same chunks. What the engine adds is over that.
"""

import argparse
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.generate import scene
from benchmarks.memory import status, tree

SMALL, LARGE, SIDE, SMALL_SIDE, WORKERS = (100, 1000, 10_000), 60, 12_000, 256, 2
WAYS = ("kernels", "stored", "direct", "flow")
DISTINCT = 8
"""Pictures that differ; the rest of an archive are further names of theirs."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one way took."""

    way: str
    items: int
    cpu: float
    """CPU seconds of all processes."""
    busiest: float
    """CPU seconds of the process that had most to do: no number of workers ends a run before."""
    wall: float
    coordinator: float
    """MB at the peak, of the process that was started."""
    worker: float
    """MB at the peak, of the largest below it."""
    task_runs: int = 0
    """Prefect's."""
    calls: int = 0
    """Requests that Prefect's server answered."""


def make_archive(folder: Path, count: int, side: int) -> None:
    """Write `count` JPEG files of `side` by about `side` pixels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(side)
    tile = scene(rng, 512, 512) // 2 + 60
    for number in range(min(count, DISTINCT)):
        picture = np.tile(np.roll(tile, 64 * number, 1), (-(-side // 512),) * 2 + (1,))
        picture = picture[:side, :side]
        picture += rng.integers(0, 16, picture.shape, np.uint8)  # so that no chunk repeats itself
        Image.fromarray(picture).save(folder / f"{number:05d}.jpg", quality=90)
    for number in range(DISTINCT, count):
        os.link(folder / f"{number % DISTINCT:05d}.jpg", folder / f"{number:05d}.jpg")


def measure(way: str, source: Path, workers: int = WORKERS) -> Cost:
    """Run one way over an archive, in a folder that is removed."""
    items = len(list(source.iterdir()))
    with tempfile.TemporaryDirectory(dir=source.parent) as name:
        folder = Path(name)
        command = [sys.executable, "-m", "benchmarks._bare_kernels", source, folder, way]
        if way in ("direct", "flow"):
            command = [sys.executable, "-m", "flows.cli", "run", source, "--out", folder / "out"]
            command += ["--direct"] * (way == "direct") + ["--workers"]
        watched = _watch([*map(str, command), str(workers)], folder)
        task_runs, calls = _prefect(folder / "home") if way == "flow" else (0, 0)
    return Cost(way=way, items=items, task_runs=task_runs, calls=calls, **watched)


def _watch(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command; return its times, and the peaks of memory from the kernel's own marks."""
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_SERVER_LOGGING_LEVEL": "INFO",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment.pop("PREFECT_API_URL", None)
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    peaks: dict[int, tuple[float, float]] = {}
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        for pid in tree(process.pid):
            now, before = status(pid), peaks.get(pid, (0.0, 0.0))
            peaks[pid] = (max(now[0], before[0]), max(now[1], before[1]))
        time.sleep(0.2)
    _, code, usage = ended
    process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode == 0, command
    own = peaks.pop(process.pid)
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "busiest": max(own[1], *(cpu for _, cpu in peaks.values())),
        "wall": time.monotonic() - began,
        "coordinator": own[0],
        "worker": max(megabytes for megabytes, _ in peaks.values()),
    }


def _prefect(home: Path) -> tuple[int, int]:
    """Return how many task runs the server's database holds, and the requests that it logged."""
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        task_runs = database.execute("SELECT count(*) FROM task_run").fetchone()[0]
    log = (home / "temporary-server.log").read_text()
    return task_runs, len(re.findall(r'"(?:GET|POST|PUT|PATCH|DELETE) /api/(?!health)', log))


def show(costs: Sequence[Cost]) -> None:
    """Print one archive's rows."""
    by_way = {cost.way: cost for cost in costs}
    for cost in costs:
        over = " ".join(
            f"{100 * (cost.cpu / by_way[base].cpu - 1):+7.1f} %" if base in by_way else " " * 9
            for base in ("kernels", "stored", "direct")
        )
        prefect = f"{cost.task_runs} task runs, {cost.calls} calls" if cost.task_runs else ""
        print(
            f"{cost.items:6d} {cost.way:8s} {cost.wall:7.1f} {cost.cpu:8.1f} "
            f"{1e3 * cost.cpu / cost.items:9.2f}  {over} {cost.coordinator:6.0f} "
            f"{cost.worker:6.0f}  {prefect}",
            flush=True,
        )


def main(
    small: Sequence[int] = SMALL,
    large: int = LARGE,
    side: int = SIDE,
    ways: Sequence[str] = WAYS,
) -> list[Cost]:
    """Print the table; return its rows."""
    print(
        f"{'items':>6} {'way':8s} {'wall s':>7} {'CPU s':>8} {'ms an item':>10} "
        f"{'kernels':>8} {'stored':>9} {'direct':>9} {'MB':>6} {'worker':>6}"
    )
    rows: list[Cost] = []
    with tempfile.TemporaryDirectory() as name:
        cases = [(count, SMALL_SIDE) for count in small] + [(large, side)] * (large > 0)
        for count, extent in cases:
            source = Path(name, f"{extent}-{count}", "in")
            make_archive(source, count, extent)
            costs = [measure(way, source) for way in ways]
            show(costs)
            rows += costs
        if large and "direct" in ways:
            rows.append(speed_up(source, next(cost for cost in costs if cost.way == "direct")))
    return rows


def speed_up(source: Path, two: Cost) -> Cost:
    """Print what two workers bring, on the clock and by the busiest process."""
    one = measure("direct", source, workers=1)
    print(
        f"two workers against one: {one.wall / two.wall:.2f}x on the clock, "
        f"{one.busiest / two.busiest:.2f}x by the busiest process "
        f"(one: {one.wall:.1f} s, {one.cpu:.1f} s CPU)",
        flush=True,
    )
    return one


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a run costs beside its kernels")
    parser.add_argument("--small", type=int, nargs="*", default=list(SMALL))
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    given = parser.parse_args()
    main(given.small, given.large, given.side, given.ways)
