from benchmarks import softmax as benchmark


def test_toy_run_prints_a_row_for_each_candidate(capsys):
    figures = benchmark.main(benchmark.TOY, runs=1)
    printed = capsys.readouterr().out
    assert all(name in printed for name in benchmark.CANDIDATES)
    assert all(len(row) == 1 and row[0] > 0 for row in figures.values())
