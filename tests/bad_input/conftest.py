"""One hostile archive and two runs over it, shared by all tests here."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.bad_input import hostile
from tests.bad_input.entries import Archive, without_override
from tests.bad_input.hostile_names import readable_again

ROOT = Path(__file__).parents[2]
LONGEST = 240


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run left behind."""

    out: Path
    code: int
    stdout: str
    stderr: str

    @cached_property
    def rows(self):
        """The table, by path."""
        found = {}
        for row in pq.read_table(self.out / "items.parquet").to_pylist():
            found.setdefault(row["path"], []).append(row)
        return found


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The archive carried without a cluster and through the command line."""

    archive: Archive
    serial: Run
    cluster: Run
    notes: dict
    """What the audit hook of the serial run saw."""
    sockets: set
    """(local address, remote address) of every network socket of the command line's processes."""
    left_behind: list
    """Names that the command line made in its current folder."""
    before: dict
    after: dict


def command(*words: object) -> list[str]:
    """A Python command that warns of nothing twice and is bound by file modes."""
    return [*(without_override() or ()), sys.executable, "-W", "error", *map(str, words)]


def start(words: list[str], folder: Path, name: str) -> tuple[subprocess.Popen, Path, Path]:
    folder.mkdir(exist_ok=True)
    outputs = [folder.with_name(f"{name}.{stream}") for stream in ("out", "err")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    with outputs[0].open("w") as out, outputs[1].open("w") as err:
        process = subprocess.Popen(words, cwd=folder, stdout=out, stderr=err, env=environment)
    return process, *outputs


def ended(process: subprocess.Popen, stdout: Path, stderr: Path, out: Path) -> Run:
    try:
        code = process.wait(LONGEST)
    finally:
        process.kill()
    return Run(out=out, code=code, stdout=stdout.read_text(), stderr=stderr.read_text())


def sockets_of(process: subprocess.Popen) -> set:
    """Network sockets of a process and its children, watched until it ends."""
    seen = set()
    until = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < until:
        try:
            parent = psutil.Process(process.pid)
            for member in (parent, *parent.children(recursive=True)):
                for socket in member.net_connections("inet"):
                    seen.add((socket.laddr.ip, socket.raddr.ip if socket.raddr else ""))
        except psutil.Error:
            pass
        time.sleep(0.1)
    return seen


def snapshot(root: Path) -> dict:
    """Kind, mode, size, time and content of every name below a folder."""
    found = {}
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(parent, name)
            status = path.lstat()
            readable = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
            digest = blake2b(path.read_bytes()).hexdigest() if readable else ""
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, digest)
    return found


@pytest.fixture(scope="session")
def unanswered(tmp_path_factory):
    """A run that asks a scheduler which is not there; started early, since it waits long."""
    folder = tmp_path_factory.mktemp("unanswered")
    source = folder / "source"
    source.mkdir()
    out = folder / "out"
    words = command("-m", "flows.cli", "run", source, "--out", out, "--direct",
                    "--scheduler", "tcp://127.0.0.1:1")  # fmt: skip
    process, *streams = start(words, folder / "work", "cli")
    yield process, streams, out
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def runs(tmp_path_factory, unanswered):
    folder = tmp_path_factory.mktemp("hostile")
    archive = hostile.build(folder / "source", unreadable=without_override() is not None)
    before = snapshot(archive.root)
    notes = folder / "notes.json"
    here, there = folder / "serial", folder / "cluster"
    serial = start(
        command(ROOT / "tests/bad_input/serial_run.py", archive.root, here, notes),
        folder / "serial_work",
        "serial_run",
    )
    cluster = start(
        command("-m", "flows.cli", "run", archive.root, "--out", there, "--direct"),
        folder / "cluster_work",
        "cluster_run",
    )
    sockets = sockets_of(cluster[0])
    cluster_run, serial_run = ended(*cluster, there), ended(*serial, here)
    assert serial_run.code == 0, serial_run.stderr
    yield Runs(
        archive=archive,
        serial=serial_run,
        cluster=cluster_run,
        notes=json.loads(notes.read_text()),
        sockets=sockets,
        left_behind=sorted((folder / "cluster_work").iterdir()),
        before=before,
        after=snapshot(archive.root),
    )
    if without_override() is not None:
        readable_again(archive)
