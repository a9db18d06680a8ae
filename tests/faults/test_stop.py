"""Ctrl-C, a polite kill, and a second run on the same folder."""

import os
import signal
import time

from tests.faults import runs

ONE = ("--workers", 1)


def assert_stopped(process, children):
    ended = runs.end(process, patience=60)
    assert ended.code == 130, ended
    assert ended.seconds < 30
    assert ended.complaint == "scalemark: stopped; the same command goes on from here\n"
    assert "Traceback" not in ended.printed
    runs.assert_gone(children)


def test_a_stopped_run_says_so_leaves_nobody_behind_and_goes_on(archive, clean, tmp_path):
    out = tmp_path / "out"
    process = runs.start(archive, out)
    runs.await_commits(process, out, "ingest", 1)
    children = runs.descendants(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process hears it
    assert_stopped(process, children)
    kept = runs.committed(out, "ingest")

    process = runs.start(archive, out, *ONE)
    while process.poll() is None and not runs.descendants(process):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # while the cluster starts
    assert_stopped(process, [])

    process = runs.start(archive, out, *ONE)
    runs.await_commits(process, out, "piqe", 1)
    children = runs.descendants(process)
    os.kill(process.pid, signal.SIGTERM)
    assert_stopped(process, children)
    assert runs.committed(out, "ingest") >= kept > 0

    runs.here(archive, out)
    runs.assert_as_clean(out, clean)


def test_a_second_run_is_refused_with_the_name_of_the_first(archive, clean, tmp_path):
    out = tmp_path / "out"
    first = runs.start(archive, out, *ONE)
    runs.await_commits(first, out, "ingest", 1)
    os.kill(first.pid, signal.SIGSTOP)  # so that it is not done too soon
    try:
        second = runs.complete(archive, out, *ONE)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.code == 6, second
    assert second.seconds < 20
    assert f"process {first.pid} on {os.uname().nodename}, since " in second.complaint
    assert "--out" in second.complaint
    ended = runs.end(first)
    assert ended.code == 0, ended
    runs.assert_as_clean(out, clean)
