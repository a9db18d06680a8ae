"""Peak memory of a run, by number of items: it must not grow with them.

    python -m benchmarks.memory [--counts 200 2000]

Runs `scalemark run --direct` over made archives and samples the memory of its processes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.generate import LARGEST, SMALLEST, generate

COUNTS = (200, 2000)
WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What one run took."""

    items: int
    coordinator: float
    """MB of the process that keeps the ledger."""
    worker: float
    """MB of the largest worker."""
    seconds: float
    cpu: float
    """CPU seconds of all processes."""


def measure(source: Path, out: Path, items: int) -> Peak:
    """Run over `source` and return the peaks, from the kernel's own high-water marks."""
    scalemark = Path(sys.executable).with_name("scalemark")
    began = time.monotonic()
    command = [scalemark, "run", source, "--out", out, "--direct", "--workers", str(WORKERS)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    coordinator = worker = 0.0
    cpu: dict[int, float] = {}
    while process.poll() is None:
        for pid in tree(process.pid):
            high, seconds = status(pid)
            cpu[pid] = max(cpu.get(pid, 0.0), seconds)
            if pid == process.pid:
                coordinator = max(coordinator, high)
            else:
                worker = max(worker, high)
        time.sleep(0.1)
    assert process.returncode == 0, process.returncode
    return Peak(
        items=items,
        coordinator=coordinator,
        worker=worker,
        seconds=time.monotonic() - began,
        cpu=sum(cpu.values()),
    )


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def status(pid: int) -> tuple[float, float]:
    """Return a process' peak resident memory in MB and its CPU seconds."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        times = psutil.Process(pid).cpu_times()
    except (OSError, psutil.NoSuchProcess):
        return 0.0, 0.0
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
    return int(kilobytes) / 1000, times.user + times.system


def main(
    counts: Sequence[int] = COUNTS, extents: tuple[int, int] = (SMALLEST, LARGEST)
) -> list[Peak]:
    """Print the table; return its rows."""
    peaks = []
    print(f"{'items':>7} {'coordinator':>12} {'worker':>9} {'wall':>8} {'CPU an item':>12}")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder, "in"), count, extents=extents)
            peak = measure(Path(folder, "in"), Path(folder, "out"), count)
        peaks.append(peak)
        print(
            f"{peak.items:7d} {peak.coordinator:9.0f} MB {peak.worker:6.0f} MB "
            f"{peak.seconds:6.1f} s {1e3 * peak.cpu / peak.items:9.1f} ms"
        )
    first, last = peaks[0], peaks[-1]
    print(
        f"{last.items / first.items:.0f} times the items: coordinator "
        f"{last.coordinator / first.coordinator:.2f}x, worker {last.worker / first.worker:.2f}x"
    )
    return peaks


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Peak memory by number of items")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    main(parser.parse_args().counts)
