import numpy as np
import pytest

from benchmarks import softmax as benchmark


def test_toy_run_prints_a_row_for_each_candidate(capsys):
    figures = benchmark.main(benchmark.TOY, runs=1, rows=50)
    printed = capsys.readouterr().out
    assert all(name in printed for name in benchmark.candidates())
    assert all(len(row) == 1 and row[0] > 0 for row in figures.values())
    assert {benchmark.OURS, "softmax, SciPy"} <= set(figures)


@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than double here"
)
def test_errors_told_are_below_what_is_promised():
    for ours, logarithm, *_ in benchmark.errors(200).values():
        assert 0 < max(ours, logarithm) <= 2.5
