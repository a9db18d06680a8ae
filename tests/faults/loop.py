"""Let the N-th write of a run fail, for every N, and go on from there.

    python -m tests.faults.loop killed SOURCE FOLDER FIRST STEP

Everything is imported once; a run that is to die is a fork. Prints the number of the first write
that no run reached, once every earlier failure was survived. In place of `killed`, `full` lets the
write fail as on a full disk.
"""

import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tasks.errors import StoreFailed
from tasks.output import Output
from tests.faults import points, runs

FINISHED, KILLED = 0, 137


def forked(work: Callable[[], int]) -> int:
    """Run `work` in a process of its own; returns its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(source: Path, out: Path, fatal: int) -> int:
    with points.counted(fatal, points.die, points.RENAMES):
        runs.here(source, out)
    return FINISHED


def full(source: Path, out: Path, fatal: int) -> int:
    """Return the error's exit code, once its words and what is left behind are as they must be."""
    error: StoreFailed | None = None
    with points.counted(fatal, points.run_full, points.WRITES) as counter:
        try:
            runs.here(source, out)
        except StoreFailed as refusal:
            error = refusal
    if error is None:
        assert counter.met < fatal, "a write failed and nobody said so"
        return FINISHED
    assert re.search(f"cannot write .*{re.escape(str(out))}.*(full|No space left)", str(error))
    assert list(out.glob("*.partial")) == []
    return error.exit_code


def resume(source: Path, out: Path, clean: Path) -> None:
    """Hold that the store opens as it was left, and that the same run goes on to the same end."""
    runs.read_chunks(Output(out).store)
    runs.here(source, out)
    runs.assert_as_clean(out, runs.results(source, clean))


def main(failure: str, source: Path, folder: Path, first: int, step: int) -> int:
    """Return the first N beyond the last write."""
    clean, out = folder / "clean", folder / "out"
    runs.here(source, clean)
    fatal = first
    while True:
        if failure == "killed":
            code, expected = forked(partial(killed, source, out, fatal)), KILLED
        else:
            code, expected = full(source, out, fatal), StoreFailed.exit_code
        if code == FINISHED:
            return fatal
        assert code == expected, f"{failure} at write {fatal}: ended with {code}"
        resume(source, out, clean)
        shutil.rmtree(out)
        fatal += step


if __name__ == "__main__":
    name, source, folder, first, step = sys.argv[1:]
    print(main(name, Path(source), Path(folder), int(first), int(step)))
