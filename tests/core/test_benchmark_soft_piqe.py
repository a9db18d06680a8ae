from benchmarks import soft_piqe as benchmark


def test_toy_run_prints_a_row_for_each_candidate(capsys):
    figures = benchmark.main(benchmark.TOY, runs=1)
    printed = capsys.readouterr().out
    assert all(name in printed for name in benchmark.candidates())
    assert {benchmark.HARD, "soft score", "soft score and gradient"} <= set(figures)
    assert all(len(row) == 1 and row[0] > 0 for row in figures.values())


def test_missing_torch_is_skipped_and_said(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "find_torch", lambda: None)
    assert "torch" not in benchmark.main(benchmark.TOY, runs=1)
    assert "torch                    skipped: not installed" in capsys.readouterr().out
