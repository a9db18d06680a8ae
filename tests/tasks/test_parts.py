"""The parts of the run, each on its own: together they come to what the whole comes to."""

import pyarrow.parquet as pq
import pytest

from core.piqe import PiqeParams
from flows.parameters import params_of
from tasks import pipeline
from tasks.arrivals import arrivals
from tasks.errors import UsageError
from tasks.output import Output
from tasks.pipeline import Params
from tasks.scoring import QualityParams
from tests.faults import runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    source, out = folder / "source", folder / "out"
    runs.write_tiny(source)
    pipeline.take_in_only(source, out, Params())
    pending = [row["status"] for row in pq.read_table(Output(out).parquet).to_pylist()]
    for part in (pipeline.measure_images, pipeline.measure_signals, pipeline.conclude):
        pipeline.carry_on(out, part, params_of(out))
    return source, out, pending


def test_the_parts_come_to_the_same_as_the_whole(made, tmp_path):
    source, out, pending = made
    assert set(pending) == {"pending"}
    runs.here(source, tmp_path / "whole")
    runs.assert_as_clean(out, runs.results(source, tmp_path / "whole"))
    assert Output(out).report.exists()


def test_a_part_keeps_the_parameters_of_the_others(made):
    _, out, _ = made
    stricter = QualityParams(piqe=PiqeParams(activity_threshold=0.2))
    pipeline.carry_on(out, pipeline.measure_images, Params(item_timeout=99.0, quality=stricter))
    assert params_of(out) == Params(item_timeout=99.0, quality=stricter)
    assert params_of(out / "nowhere") == Params()


def test_a_part_needs_a_run(tmp_path):
    with pytest.raises(UsageError, match="holds no scalemark run"):
        pipeline.carry_on(tmp_path, pipeline.measure_images, Params())


def test_what_has_arrived_is_what_the_last_run_does_not_know(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    runs.write_tiny(source)
    output = Output(out)
    assert arrivals(source, output).count == 0  # nothing to go on with
    runs.here(source, out)
    assert arrivals(source, output).count == 0
    (source / "new.npy").write_bytes((source / "signal0.npy").read_bytes())
    (source / "signal1.npy").touch()
    (source / ".hidden").touch()
    found = arrivals(source, output)
    assert found.count == 2
    assert arrivals(source, output) == found
    (source / "new.npy").write_bytes(b"more")
    assert arrivals(source, output).key != found.key
    runs.here(source, out)
    assert arrivals(source, output).count == 0
