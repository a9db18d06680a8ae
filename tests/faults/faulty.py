"""What a Dask worker loads first: reading a file with a telling name goes wrong."""

import os
import signal
import time
from dataclasses import replace

from tasks import probe, readers


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path):
    mark = path.parent.parent / f"{path.name} has killed"
    if not mark.exists():
        mark.touch()
        die(path)


def stumble(path):
    raise KeyError("a bug")


def hang(_):
    time.sleep(600)


def dawdle_once(path):
    """Read late, once, and write down who owned the output folder by then."""
    mark = path.parent.parent / "late"
    if not mark.exists():
        mark.touch()
        time.sleep(8)
        mark.write_text((path.parent.parent / "out" / "run.lock").read_text())


READING = {"kill": die, "once": die_once, "bug": stumble, "hang": hang, "slow": dawdle_once}


def faulty(read):
    def read_or_not(path, part):
        READING.get(path.name.partition("-")[0], lambda path: None)(path)
        return read(path, part)

    return read_or_not


def find_reader_or_die(path, find=probe.find_reader):
    if path.name.startswith("header-"):
        die(path)
    return find(path)


def dask_setup(worker):
    probe.find_reader = find_reader_or_die
    readers._BY_NAME = {
        name: replace(reader, read=faulty(reader.read)) for name, reader in readers._BY_NAME.items()
    }
