"""The benchmark of the orchestration at toy size, and that its bare ways do a run's own work."""

import inspect
import re

import zarr

from benchmarks import _bare_kernels, orchestration
from core.piqe import PiqeParams, piqe
from tasks import chunks, pipeline, store
from tasks.store import Stack


def test_every_way_is_measured(capsys):
    costs = orchestration.main(small=(6,), large=0)
    assert [(cost.way, cost.items) for cost in costs] == [(way, 6) for way in orchestration.WAYS]
    kernels, stored, direct, flow = costs
    stages = re.findall(r"^    run\((?:session\.)?\w+\)", inspect.getsource(pipeline), re.M)
    assert flow.task_runs == len(stages)
    assert flow.calls > flow.task_runs
    assert kernels.task_runs == stored.task_runs == direct.task_runs == direct.calls == 0
    for cost in costs:
        assert cost.busiest < cost.cpu
        assert cost.worker > 50
    assert "task runs" in capsys.readouterr().out


def test_the_bare_ways_do_what_a_run_does(tmp_path):
    source = tmp_path / "in"
    orchestration.make_archive(source, 3, 100)
    bare = [_bare_kernels.score_file(path) for path in sorted(source.iterdir())]
    tasks = list(_bare_kernels.batches(source, tmp_path / "out"))
    assert [_bare_kernels.score_batch(task) for task in tasks] == [3]
    stack = Stack.of("image", (100, 100), "uint8", in_place=False)
    root = tmp_path / "out/store.zarr"
    assert chunks.read(root, store.PIQE, stack, slice(0, 3)).tolist() == bare
    frames = zarr.open_array(root / store.IMAGE.path(stack), mode="r")[:3, :100, :100]
    assert [piqe(frame, PiqeParams()).score for frame in frames] == bare
