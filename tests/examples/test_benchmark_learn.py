from benchmarks import learn as benchmark


def test_toy_run_prints_both_questions_beside_the_threshold(capsys):
    benchmark.main(**benchmark.TOY)
    printed = capsys.readouterr().out
    for question in ("accept or reject", "which fault"):
        assert f"{question}: 26 copies of 2 photographs" in printed
    assert printed.count("  a rule over ") == 2
    assert printed.count("  PIQE above 50, its own threshold ") == 2
