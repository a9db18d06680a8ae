"""A scheduler and workers that were there before the run, and outlive it, or do not."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tasks.output import Output
from tests.faults import runs
from tests.faults.dask_cluster import Cluster

FAULTY = Path(__file__).with_name("faulty.py")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), "--preload", FAULTY)
    yield cluster
    cluster.end()


def test_workers_of_a_cluster_do_the_same(cluster, archive, clean, tmp_path):
    ended = runs.complete(archive, tmp_path / "out", "--scheduler", cluster.address)
    assert ended.code == 0, ended
    runs.assert_as_clean(tmp_path / "out", clean)


def test_a_worker_that_is_late_does_no_harm(cluster, tmp_path):
    """The client is killed; its worker goes on, and comes to write when the next run is there."""
    source, out = tmp_path / "source", tmp_path / "out"
    runs.write_tiny(source)
    shutil.copy(source / "image1.png", source / "slow-image.png")
    runs.here(source, tmp_path / "calm")
    first = runs.start(source, out, "--scheduler", cluster.address)
    until = time.monotonic() + runs.PATIENCE
    while not (tmp_path / "late").exists():
        assert first.poll() is None, runs.end(first)
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    runs.end(first)
    second = runs.start(source, out, "--scheduler", cluster.address)
    ended = runs.end(second)
    assert ended.code == 0, ended
    while not (written := (tmp_path / "late").read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert json.loads(written)["pid"] == second.pid, "the late worker was not late"
    time.sleep(0.5)  # for it to do its harm
    runs.assert_as_clean(out, runs.results(source, tmp_path / "calm"))


def test_a_lost_scheduler_ends_the_run_and_another_cluster_goes_on(
    cluster, archive, clean, tmp_path
):
    """The last test of the module: the scheduler is gone after it."""
    out = tmp_path / "out"
    process = runs.start(archive, out, "--scheduler", cluster.address)
    runs.await_commits(process, out, "ingest", 1)
    os.killpg(cluster.scheduler.pid, signal.SIGKILL)
    ended = runs.end(process, patience=90)
    assert ended.code == 4, ended
    assert ended.seconds < 60
    assert "the Dask scheduler is gone" in ended.complaint
    assert "run the same command again" in ended.complaint
    assert "Traceback" not in ended.complaint
    assert Output(out).ledger.exists()
    ended = runs.complete(archive, out, "--workers", 1)
    assert ended.code == 0, ended
    runs.assert_as_clean(out, clean)
