"""What a hostile archive is made of: files, and what a run has to say of each."""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DONE = "ok|flagged"
"""Processed; whether it deserves a look is not the question here."""
CORRUPT_OR_DONE = "quarantined|ok|flagged"
"""Formats without a checksum cannot tell flipped bits from other pixels."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name in the archive, or one part of a file, and the verdict it must get."""

    path: bytes
    status: str
    """Allowed statuses, separated by a bar."""
    code: str = ""
    """The code where it is quarantined or skipped."""
    word: str = ""
    """What the reason must contain."""
    part: str | None = None
    """Which part of the file; None for every one."""
    parts: int = 1
    """How many rows `part` None stands for."""


class Archive:
    """A folder that is filled entry by entry."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[Entry] = []
        root.mkdir(parents=True)

    def at(self, name: str | bytes) -> Path:
        """Where a name of the archive lies; its folder is made."""
        path = self.root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def expect(
        self, name: str | bytes, status: str = DONE, code: str = "", word: str = "", **more
    ) -> Path:
        """Note what a run must say of a name; returns where to put the file."""
        path = os.fsencode(name)
        self.entries.append(Entry(path=path, status=status, code=code, word=word, **more))
        return self.at(name)

    def put(self, name: str | bytes, data: bytes, *verdict: str, **more) -> None:
        """Write a file and note what a run must say of it."""
        self.expect(name, *verdict, **more).write_bytes(data)


def cut(data: bytes, share: float) -> bytes:
    """The first bytes of a file."""
    return data[: max(1, int(len(data) * share))]


def flipped(data: bytes, place: float = 0.6, count: int = 64) -> bytes:
    """A file with some bytes inverted."""
    start = min(int(len(data) * place), len(data) - count)
    middle = bytes(byte ^ 0xFF for byte in data[start : start + count])
    return data[:start] + middle + data[start + count :]


@contextlib.contextmanager
def inside(folder: Path):
    """Work with `folder` as the current one, for names too long for an absolute path."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def without_override() -> Sequence[str] | None:
    """Begin a command so that file modes bind it, root or not; None where that cannot be had."""
    if os.geteuid() != 0:
        return ()
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return prefix
