import numpy as np
import pytest

from benchmarks import piqe as benchmark
from core.piqe import piqe
from tests.core.images import bundled


def test_toy_run_prints_a_row_for_each_candidate(capsys):
    figures = benchmark.main(benchmark.TOY, runs=1)
    printed = capsys.readouterr().out
    assert all(name in printed for name in benchmark.candidates())
    assert "ns/px" in printed
    assert {"scalemark", "NumPy and SciPy"} <= set(figures)
    assert all(len(row) == 1 and row[0] >= 0 for row in figures.values())


def test_missing_pypiqe_is_skipped_and_said(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "pypiqe_score", lambda: None)
    assert "pypiqe" not in benchmark.main(benchmark.TOY, runs=1)
    assert "pypiqe" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_the_vectorised_competitor_computes_the_same_score(name):
    image = bundled(name)
    assert benchmark.scipy_piqe(image) == pytest.approx(piqe(image).score, abs=1e-9)


def test_the_picture_has_active_and_other_blocks():
    activity = piqe(benchmark.picture((400, 600))).activity
    assert np.count_nonzero(activity) > 100
