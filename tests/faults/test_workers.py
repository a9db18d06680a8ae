"""Workers die, hang and stumble; the culprit is set aside, and nobody else is."""

import random
import signal
from pathlib import Path

import dask
import numpy as np
import psutil
import pytest
import tifffile

from flows.run import characterise_on_cluster
from tasks.pipeline import Params
from tests.faults import runs

FAULTY = Path(__file__).with_name("faulty.py")


def on_faulty_workers(source, out, **params):
    settings = {
        "distributed.worker.preload": [str(FAULTY)],
        "distributed.worker.multiprocessing-method": "forkserver",
    }
    with dask.config.set(settings):
        characterise_on_cluster(
            source, out, Params(**params), listener=lambda event: None, workers=runs.WORKERS
        )


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """Culprits of every kind among neighbours of one stack, and the same without their faults."""
    folder = tmp_path_factory.mktemp("workers")
    source, out, calm = folder / "source", folder / "out", folder / "calm"
    runs.write_tiny(source)
    pages = np.random.default_rng(3).integers(0, 255, (3, 30, 30), np.uint8)
    tifffile.imwrite(source / "header-pages.tif", pages, photometric="minisblack")
    runs.here(source, out)
    (source / "header-pages.tif").touch()  # it is looked at again, and its three rows are known
    good = (source / "image3.png").read_bytes()
    for number in range(12):
        (source / f"next{number}.png").write_bytes(good)
    for culprit in ("header-one.png", "kill-it.png", "once-only.png", "bug-in.png", "hang-up.png"):
        (source / culprit).write_bytes(good)
    runs.here(source, calm)
    on_faulty_workers(source, out, item_timeout=2.0)
    return runs.rows(out), runs.rows(calm)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("header-one.png", "crash"),
        ("header-pages.tif", "crash"),
        ("kill-it.png", "crash"),
        ("hang-up.png", "crash"),
        ("bug-in.png", "internal"),
    ],
)
def test_the_culprit_is_quarantined(disturbed, name, code):
    rows, _ = disturbed
    assert (rows[name]["status"], rows[name]["code"]) == ("quarantined", code)


def test_all_others_are_as_they_would_have_been(disturbed):
    rows, calm = disturbed
    assert rows.keys() == calm.keys()
    guilty = {name for name in rows if name.startswith(("header", "kill", "bug", "hang"))}
    where = {"slot": None}
    for name in rows.keys() - guilty:
        assert rows[name] | where == calm[name] | where
    assert "once-only.png" not in guilty


def test_a_worker_killed_at_random_costs_nothing(archive, clean, tmp_path):
    out = tmp_path / "out"
    process = runs.start(archive, out)
    for step, least in (("ingest", 1), ("piqe", 1)):
        runs.await_commits(process, out, step, least)
        workers = [
            child for child in runs.descendants(process) if "spawn_main" in str(child.cmdline())
        ]
        victim = random.choice(workers)
        victim.send_signal(signal.SIGKILL)
        psutil.wait_procs([victim], timeout=10)
    ended = runs.end(process)
    assert ended.code == 0, ended
    runs.assert_as_clean(out, clean)
