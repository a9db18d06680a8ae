"""The whole run is killed at once, at any moment; the same command goes on from there."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from tasks.output import Output
from tasks.store import Stack
from tests.faults import runs

MOMENTS = (("probe", 1), ("ingest", 1), ("ingest", 30), ("piqe", 1), ("piecewise", 9))
"""Killed as soon as so many items of a step are committed."""
IN_FLIGHT = 2 * runs.WORKERS
TREES = {
    ("ingest", "image"): "images",
    ("piqe", "image"): "quality",
    ("ingest", "signal"): "signals",
    ("describe", "signal"): "descriptors",
    ("piecewise", "signal"): "pieces",
    ("scale space", "signal"): "scale_space",
}


def committed(out):
    """(item, step) of every committed result, with the run that computed it."""
    rows = runs.ledger_rows(out, "SELECT item, step, run FROM done")
    return {(item, step): run for item, step, run in rows}


def batches_committed(out):
    query = "SELECT step, kind, stack, slot FROM done JOIN item ON item.id = done.item"
    return {
        (TREES[step, kind], stack, slot // Stack.parse(kind, stack).slots_per_chunk)
        for step, kind, stack, slot in runs.ledger_rows(out, query)
    }


def batches_begun(out):
    """Every batch that has left a chunk in the store, wholly or in part."""
    names = (name.split("/") for name in runs.zarr_files(Output(out).store))
    return {(tree, stack, int(chunk)) for tree, stack, _, _, chunk, *_ in names}


def kill_and_go_on(archive, clean, out, step, least):
    process = runs.start(archive, out)
    runs.await_commits(process, out, step, least)
    os.killpg(process.pid, signal.SIGKILL)
    assert runs.end(process).code == -signal.SIGKILL
    kept = committed(out)
    assert len(batches_begun(out) - batches_committed(out)) <= IN_FLIGHT
    runs.read_chunks(Output(out).store)
    ended = runs.complete(archive, out)
    assert ended.code == 0, ended
    runs.assert_as_clean(out, clean)
    after = committed(out)
    assert {key: after[key] for key in kept} == kept
    assert {run for key, run in after.items() if key not in kept} == {2}


def test_a_killed_run_goes_on_and_ends_as_if_undisturbed(archive, clean, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        rounds = [
            pool.submit(kill_and_go_on, archive, clean, tmp_path / f"{step}-{least}", step, least)
            for step, least in MOMENTS
        ]
    for done in rounds:
        done.result()
