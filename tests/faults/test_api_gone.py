"""The Prefect API goes away in mid-run."""

import os
import subprocess
import sys
import time

import psutil

from flows.cli import OFFLINE
from flows.server import POOL, free_port, serving
from tasks import lock
from tests.faults import runs


def server_of(process):
    """Return the temporary server that a run has started."""
    [found] = [
        child
        for child in runs.descendants(process)
        if {"prefect", "server", "start"} <= set(child.cmdline())
    ]
    return found


def kill(process):
    for part in (*process.children(recursive=True), process):
        part.kill()


def test_the_computation_finishes_without_the_api(archive, clean, tmp_path):
    out, home = tmp_path / "out", tmp_path / "home"
    process = runs.start_flow(archive, out, PREFECT_HOME=str(home), PREFECT_CLIENT_MAX_RETRIES="1")
    runs.await_commits(process, out, "ingest", 1)
    children = runs.descendants(process)
    kill(server_of(process))
    ended = runs.end(process)
    assert ended.code == 0, ended
    assert "went away in mid-run: its page is not complete, the results are" in ended.complaint
    assert "report.html" in ended.printed
    assert "Traceback" not in ended.complaint + ended.printed
    runs.assert_gone(children)
    runs.assert_as_clean(out, clean)


def test_a_run_that_a_worker_started_finishes_too(archive, clean, tmp_path):
    out, home, port = tmp_path / "out", tmp_path / "home", free_port()
    own = {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    environment = os.environ | OFFLINE | own | {"PREFECT_CLIENT_MAX_RETRIES": "2"}
    home.mkdir()
    with serving(port, environment, home / "server.log") as server:

        def call(*words):
            subprocess.run(
                [sys.executable, "-m", *map(str, words)],
                env=environment,
                check=True,
                capture_output=True,
                timeout=120,
            )

        call("flows.cli", "deploy", archive, "--out", out)
        call("prefect", "deployment", "run", "characterise/nightly")
        words = ["worker", "start", "--pool", POOL, "--type", "process", "--run-once"]
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            runs.await_commits(worker, out, "ingest", 1)
            kill(psutil.Process(server.pid))
            # The run's process then still tries, for minutes, to send its events to the server.
            await_free(out)
        finally:
            runs.stop(worker)
            worker.wait()
    runs.assert_as_clean(out, clean)
    assert (out / "report.html").exists()


def await_free(out):
    """Wait until a run has let go of its folder."""
    until = time.monotonic() + runs.PATIENCE
    while lock.owner(out / "run.lock"):
        assert time.monotonic() < until, "the run does not end"
        time.sleep(0.2)
