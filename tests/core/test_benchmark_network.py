import importlib.util

import pytest

from benchmarks import network as benchmark

TOY = {"samples": 20, "runs": 1, "iterations": 5}
RESULTS = {"value", "gradient", "hessian_diagonal", "hessian", "laplacian"}


def test_toy_run_without_torch_says_so_and_prints_a_row_for_each_result(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "find_torch", lambda: None)
    figures = benchmark.main(**TOY)
    printed = capsys.readouterr().out
    assert "torch skipped: not installed (pip install torch)" in printed
    assert set(figures) == {1, 10}
    assert all(set(rows) == RESULTS for rows in figures.values())
    assert all(mine > 0 for rows in figures.values() for mine, _, _ in rows.values())
    for name in ("values  ", "values, f'  ", "values, f', f''"):
        assert f"  {name}" in printed
    assert printed.count("noise 0.05:") == 3


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_toy_run_agrees_with_torch(capsys):
    figures = benchmark.main(**TOY)
    assert capsys.readouterr().out.count("apart") == 2 * len(RESULTS)
    assert all(apart < 1e-12 for rows in figures.values() for _, _, apart in rows.values())


def test_training_on_derivatives_lowers_their_errors():
    values, second = (benchmark.learn_sin(0.0, order, 100) for order in (0, 2))
    assert second[2] < values[2]
