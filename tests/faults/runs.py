"""Runs to be disturbed, and how their results are compared with those of an undisturbed one."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from PIL import Image

from tasks import chunks, pipeline, progress
from tasks.output import Output
from tasks.pipeline import Params

WORKERS = 2
PATIENCE = 120.0


def write_tiny(folder: Path) -> None:
    """Write six images of one stack and three signals of another."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        pixels = rng.normal(120, 9 * number, (30, 27 + number)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"image{number}.png")
    for number in range(3):
        np.save(folder / f"signal{number}.npy", rng.normal(size=60 + number))


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run leaves behind."""

    source: Path
    table: pa.Table
    store: dict[str, bytes]


def results(source: Path, out: Path) -> Results:
    """Read everything back."""
    root = Output(out).store
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    return Results(source=source, table=pq.read_table(Output(out).parquet), store=files)


def read_chunks(root: Path) -> int:
    """Read every chunk that lies in a store, checked; returns how many there are."""
    files = zarr_files(root)
    for path in files:
        array_path, _, index = path.partition("/c/")
        array = zarr.open_array(chunks.DurableStore(root), path=array_path, mode="r")
        spans = zip(map(int, index.split("/")), array.chunks, strict=True)
        array[tuple(slice(n * size, (n + 1) * size) for n, size in spans)]
    return len(files)


def zarr_files(root: Path) -> list[str]:
    """Return the chunks of a store by their names in it."""
    whole = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".partial")
    return [name for name in (str(path.relative_to(root)) for path in whole) if "/c/" in name]


def assert_as_clean(out: Path, clean: Results) -> None:
    """Hold the table and every byte of the store to the undisturbed run's."""
    found = results(clean.source, out)
    assert found.table.equals(clean.table), differences(found.table, clean.table)
    assert found.store.keys() == clean.store.keys()
    different = [name for name in clean.store if found.store[name] != clean.store[name]]
    assert not different, different
    assert list(out.rglob("*.partial")) == []


def differences(found: pa.Table, clean: pa.Table) -> list[object]:
    """Return the rows that differ, for the message of a failed comparison."""
    pairs = zip(found.to_pylist(), clean.to_pylist(), strict=False)
    return [found.num_rows, clean.num_rows, *((a, b) for a, b in pairs if str(a) != str(b))][:6]


def here(source: Path, out: Path, **params: object) -> list[str]:
    """Characterise without a cluster; returns what the run had to say."""
    notes: list[str] = []

    def listen(event: progress.Event) -> None:
        if isinstance(event, progress.Note):
            notes.append(f"{event.stage}: {event.text}")

    with progress.listening(listen):
        pipeline.characterise(source, out, Params(**params))
    return notes


def rows(out: Path) -> dict[str, dict[str, object]]:
    """Return the table by path; of a file of many parts, the last."""
    return {row["path"]: row for row in pq.read_table(Output(out).parquet).to_pylist()}


def command(source: Path, out: Path, *options: object) -> list[str]:
    """Return the command line of a run without Prefect."""
    scalemark = Path(sys.executable).with_name("scalemark")
    return [str(scalemark), "run", str(source), "--direct", "--out", str(out), *map(str, options)]


def start(source: Path, out: Path, *options: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a session of its own."""
    elsewhere = {"--scheduler", "--workers"} & set(options)
    where = () if elsewhere else ("--workers", WORKERS)
    return _started(command(source, out, *where, *options), environment)


def start_flow(source: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command line with Prefect, on a temporary server."""
    words = [word for word in command(source, out, "--workers", WORKERS) if word != "--direct"]
    return _started(words, environment)


def _started(words: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended."""

    code: int
    printed: str
    complaint: str
    seconds: float


def end(process: subprocess.Popen[str], patience: float = PATIENCE) -> Ended:
    """Wait for a process."""
    began = time.monotonic()
    try:
        printed, complaint = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        stop(process)
        raise
    return Ended(
        code=process.returncode,
        printed=printed,
        complaint=complaint,
        seconds=time.monotonic() - began,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started, at once."""
    os.killpg(process.pid, 9)


def complete(source: Path, out: Path, *options: object, **environment: str) -> Ended:
    """Run the command line to its end."""
    return end(start(source, out, *options, **environment))


def committed(out: Path, step: str) -> int:
    """Return how many items a run that goes on has committed for a step; 0 while nobody knows."""
    address = f"file:{Output(out).ledger}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=5)) as ledger:
            query = "SELECT count(*) FROM done WHERE step = ?"
            if step == "probe":
                query = "SELECT count(*) FROM file WHERE probed IS NOT NULL AND ? != ''"
            return int(ledger.execute(query, (step,)).fetchone()[0])
    except sqlite3.Error:
        return 0


def await_commits(process: subprocess.Popen[str], out: Path, step: str, least: int) -> None:
    """Return as soon as a run has committed some items of a step."""
    until = time.monotonic() + PATIENCE
    while committed(out, step) < least:
        assert process.poll() is None, f"ended before {step}: {process.communicate()}"
        assert time.monotonic() < until, f"no {step} after {PATIENCE} s"
        time.sleep(0.002)


def ledger_rows(out: Path, query: str) -> list[tuple[object, ...]]:
    """Query a copy of a ledger, so that its recovery is left to the next run."""
    with tempfile.TemporaryDirectory() as folder:
        for path in out.glob("ledger.sqlite*"):
            shutil.copy(path, folder)
        with closing(sqlite3.connect(Path(folder, "ledger.sqlite"))) as ledger:
            return ledger.execute(query).fetchall()


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return all that a process has started."""
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    """Hold that no process is left, but for the moment that the last ones take to notice."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []
