import numpy as np
import pytest

from benchmarks import _piqe_peers as peers
from benchmarks import large_image
from benchmarks import piqe as benchmark
from core.mscn import mscn
from core.piqe import piqe
from tests.core.images import bundled


def test_toy_run_prints_a_row_for_each_candidate_and_what_a_first_call_costs(capsys):
    figures = benchmark.main(benchmark.TOY, runs=1)
    printed = capsys.readouterr().out
    assert all(name in printed for name in benchmark.candidates())
    assert {benchmark.DOUBLE, benchmark.SINGLE, "NumPy and SciPy"} <= set(figures)
    assert all(len(row) == 1 for row in figures.values())
    assert figures["NumPy and SciPy"][0] > 0
    for line in ("MB at peak", "first call, compiling", "first call, from the cache"):
        assert line in printed


def test_missing_peers_are_skipped_and_said(monkeypatch, capsys):
    monkeypatch.setattr(peers, "_module", lambda name: None)
    figures = benchmark.timings(benchmark.TOY, runs=1)
    printed = capsys.readouterr().out
    for name in ("pypiqe", "pyiqa", "OpenCV, MSCN map alone"):
        assert name not in figures
        assert f"{name:34s}  skipped: not installed" in printed
    assert benchmark.distance_to_opencv() is None


@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_the_vectorised_competitor_computes_the_same(name):
    image = bundled(name)
    assert peers.scipy_piqe(image) == pytest.approx(piqe(image).score, abs=1e-9)
    np.testing.assert_allclose(
        peers.scipy_mscn(image.astype(float)), mscn(image), rtol=0, atol=1e-9
    )


def test_the_picture_has_active_and_other_blocks():
    activity = piqe(benchmark.picture((400, 600))).activity
    assert np.count_nonzero(activity) > 100


def test_a_score_takes_little_memory_beside_the_image():
    image = benchmark.picture((2000, 3000))
    for params in (None, benchmark.FAST):
        assert benchmark.extra_memory(image, params) < 2


def test_a_large_image_at_toy_size_has_the_same_bits_in_bands(capsys):
    found = large_image.main(side=large_image.TILE + 100, workers=1)
    assert found.same_bits
    assert found.coordinator > 0
    assert "the same bits" in capsys.readouterr().out
