"""Parameters that a form leaves at None are those of the folder's last run."""

from dataclasses import replace

import numpy as np
import pytest

from flows import characterise, image_quality, ingest, report, signal_structure
from flows.parameters import params_with
from tasks import pipeline
from tasks.pipeline import Params
from tasks.readers.base import Limits
from tasks.verdict import VerdictParams

LAST = Params(
    only="signals",
    retry_failed=True,
    limits=Limits(max_pixels=10**6),
    verdict=VerdictParams(worst_score=30),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    np.save(source / "line.npy", np.arange(9.0))
    pipeline.characterise(source, out, LAST)
    return str(source), str(out)


@pytest.fixture
def ran_with(monkeypatch, folders):
    """Call a flow's function; return the parameters that its work gets."""

    def call(module, **given):
        got = []
        flow = getattr(module, module.__name__.rpartition(".")[2])
        if "source" in flow.parameters.properties:
            given["source"] = folders[0]
        monkeypatch.setattr(module, "carried", lambda out, work: work(None))
        for name in ("characterise_on_cluster", "carry_on_on_cluster"):
            monkeypatch.setattr(module, name, lambda *a, **k: got.extend(a), raising=False)
        monkeypatch.setattr(pipeline, "carry_on", lambda *a, **k: got.extend(a))
        flow.fn(out=folders[1], **given)
        [params] = [one for one in got if isinstance(one, Params)]
        return params

    return call


def test_the_whole_run_keeps_how_things_are_measured_but_not_what_was_left_out(ran_with):
    assert ran_with(characterise) == replace(LAST, only="all", retry_failed=False)
    assert ran_with(characterise, params=Params()) == Params()


def test_ingest_takes_what_to_process_from_its_form(ran_with):
    assert ran_with(ingest) == replace(LAST, only="all", retry_failed=False)
    limits = Limits(max_pixels=5)
    assert ran_with(ingest, limits=limits).limits == limits


@pytest.mark.parametrize("module", [image_quality, report, signal_structure])
def test_a_part_keeps_all_that_is_not_given(ran_with, module):
    assert ran_with(module) == LAST


def test_a_part_takes_what_is_given(ran_with):
    verdict = VerdictParams(worst_score=70)
    assert ran_with(report, verdict=verdict) == replace(LAST, verdict=verdict)


def test_a_folder_without_a_run_has_the_defaults(tmp_path):
    assert params_with(tmp_path, limits=None) == Params()
