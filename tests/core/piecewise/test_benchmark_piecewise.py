"""The benchmark runs at toy size, and its oracle and its starts are what they claim."""

import numpy as np
import pytest

from benchmarks import _piecewise_cases as cases
from benchmarks import _piecewise_peers as peers
from benchmarks import piecewise as benchmark
from benchmarks import piecewise_archive
from tests.core.piecewise import oracle


def test_toy_run_prints_and_returns_every_section(capsys):
    figures = benchmark.main(benchmark.TOY)
    printed = capsys.readouterr().out
    for words in ("one break, n = 30", "two breaks", "need not meet", "coverage", "48.2965"):
        assert words in printed
    assert figures["one break, 30"]["shared"] > 0
    assert figures["brute force"]["worst"] < 1e-10
    assert {"curve_fit, good guess", "curve_fit, no guess"} <= set(figures["one break, 30"])
    assert len(figures["first case"]) == 3


def test_missing_peers_are_skipped_and_said(monkeypatch, capsys):
    monkeypatch.setattr(peers, "module", lambda name: None)
    benchmark.main(benchmark.TOY)
    printed = capsys.readouterr().out
    for line in printed.splitlines():
        if any(name in line for name in ("pwlf", "piecewise-regression", "lmfit", "ruptures")):
            assert "skipped: not installed" in line


@pytest.mark.parametrize("seed", range(1, 40, 2))
def test_the_benchmarks_brute_force_agrees_with_the_tests_own(seed):
    x, y, w, min_size = cases.random_case(seed)
    there = np.isfinite(y)
    if np.unique(x[there]).size < 2 * min_size:
        pytest.skip("too few distinct x in this case")
    found = cases.brute_force((x[there], y[there], w[there]), min_size)
    assert found == pytest.approx(oracle.one_break(x, y, w, min_size), rel=1e-8)


def test_the_first_case_breaks_where_it_was_printed():
    assert round(-cases.B / cases.A, 4) == 48.2965
    levels = cases.absolute_lines(np.array([20.0, 40.0, 60.0]), cases.A, cases.B, cases.C, cases.D)
    np.testing.assert_allclose(levels, [0.124, 0.0418, 0.103], atol=6e-4)


def test_an_archive_at_toy_size_is_fitted_alike_on_a_cluster(capsys):
    found = piecewise_archive.main(series=300, workers=1)
    assert found.cluster > 0
    assert "300 series of 200" in capsys.readouterr().out
