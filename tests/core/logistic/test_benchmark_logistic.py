from benchmarks import _logistic_peers as peers
from benchmarks import logistic as benchmark


def test_toy_run_reaches_the_optimum_and_says_who_is_missing(monkeypatch, capsys):
    found = peers.module

    def without_dask_ml(name):
        return None if name.startswith("dask_ml") else found(name)

    monkeypatch.setattr(peers, "module", without_dask_ml)
    figures = benchmark.main(scale=100, runs=1, budget=0.5)
    printed = capsys.readouterr().out
    assert set(figures) == {case.name for case in benchmark.cases(100)} | {"Dask"}
    assert "dask-ml, lbfgs           skipped: not installed" in printed
    assert set(figures["Dask"]) == {"here, lbfgs", "here, newton-cholesky"}
    assert all(off <= benchmark.TARGET for _, off in figures["Dask"].values())
    for name in ("lbfgs", "newton-cg", "newton-cholesky"):
        assert f"  {name:16s} here" in printed
