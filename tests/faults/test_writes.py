"""A write fails, any write: nothing is lost, nothing is half, the same command goes on."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tasks.errors import StoreFailed
from tests.faults import runs

ROOT = Path(__file__).parents[2]
CORES = 2
MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def memory():
    """A folder where a sync costs nothing, if the system has one."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where, prefix="scalemark-faults-") as folder:
        runs.write_tiny(Path(folder, "source"))
        yield Path(folder)


@pytest.mark.parametrize("failure", ["killed", "full"])
def test_every_write_may_fail(memory, failure):
    """As SQLite is tested: the first write fails, then the second, until none is left to fail."""
    command = [sys.executable, "-m", "tests.faults.loop", failure, str(memory / "source")]
    loops = [
        subprocess.Popen(
            [*command, str(memory / f"{failure}{first}"), str(first), str(CORES)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in range(1, CORES + 1)
    ]
    ends = [loop.communicate(timeout=280) for loop in loops]
    assert [loop.returncode for loop in loops] == [0] * CORES, ends
    beyond = sorted(int(printed) for printed, _ in ends)
    assert beyond == list(range(beyond[0], beyond[0] + CORES))
    assert beyond[0] > 80


@pytest.fixture
def mount(tmp_path):
    """Mount a small file system; returns a function that sets its size in KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system to fill")
    made = _mount("size=64k", folder)
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr}")

    def resize(kibibytes):
        assert _mount(f"remount,size={kibibytes}k", folder).returncode == 0
        return folder

    yield resize
    subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(options, folder):
    return subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_of_any_size(mount, tiny, tiny_clean):
    """Full at another place each time; what was written is kept and gone on from."""
    size, refusals = 64, []
    while True:
        out = mount(size) / "out"
        try:
            runs.here(tiny, out)
        except StoreFailed as error:
            refusals.append(str(error))
        else:
            break
        assert str(mount(size)) in refusals[-1]
        size += 48
    runs.assert_as_clean(out, tiny_clean)
    assert len(refusals) > 5
    assert len(set(refusals)) > 3


def test_a_full_disk_ends_the_command_with_its_own_exit_code(mount, archive, clean):
    out = mount(2048) / "out"
    ended = runs.complete(archive, out)
    assert ended.code == 5
    assert str(out) in ended.complaint
    assert "No space left" in ended.complaint or "full" in ended.complaint
    assert "Traceback" not in ended.complaint
    mount(65536)
    runs.here(archive, out)
    runs.assert_as_clean(out, clean)
