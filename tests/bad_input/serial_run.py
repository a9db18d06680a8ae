"""A run without a cluster, in a process of its own that notes what a hostile file made it do."""

import json
import os
import sys
from pathlib import Path

from tasks.pipeline import Params, characterise

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.symlink", "os.link",
           "os.truncate", "os.utime")  # fmt: skip
STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.startfile")
TALKS = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request")


class Notes:
    """An audit hook that keeps what matters; hooks cannot be removed, hence the process."""

    def __init__(self) -> None:
        self.classes: list[str] = []
        self.started: list[str] = []
        self.talks: list[str] = []
        self.written: set[str] = set()

    def __call__(self, event: str, values: tuple) -> None:
        if event == "pickle.find_class" and not _asked_by_numba():
            self.classes.append(".".join(map(str, values)))
        elif event in STARTS:
            self.started.append(f"{event} {values[0]}")
        elif event in TALKS:
            self.talks.append(f"{event} {values}")
        elif event == "open" and isinstance(values[2], int) and values[2] & WRITING:
            self.written.add(_text(values[0]))
        elif event in CHANGES:
            self.written |= {_text(value) for value in values if isinstance(value, str | bytes)}


def _asked_by_numba() -> bool:
    """Whether numba loads a kernel from its cache, or compiles one: neither reads any input."""
    frame = sys._getframe()
    while frame := frame.f_back:
        if str(frame.f_globals.get("__name__")).startswith("numba.core."):
            return True
    return False


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path)


def memory(name: str) -> int:
    """Bytes of resident memory from the kernel: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def peak_growth(source: Path, out: Path) -> int:
    """How much memory a run takes at most, above what was there before it."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    characterise(source, out, Params())
    return memory("VmHWM") - before


def main(source: Path, out: Path, notes_file: Path) -> None:
    scratch = out.with_name(f"{out.name}-warm")
    characterise(source / "good", scratch, Params())
    growth = peak_growth(source / "bombs", out.with_name(f"{out.name}-bombs"))
    notes = Notes()
    sys.addaudithook(notes)
    characterise(source, out, Params())
    found = {**vars(notes), "written": sorted(notes.written), "growth": growth}
    notes_file.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
