import importlib

import numpy as np

from benchmarks import _gaussian_protocol as protocol
from benchmarks import scale_space as benchmark


def test_toy_run_prints_every_figure(capsys):
    figures = benchmark.main(benchmark.TOY)
    printed = capsys.readouterr().out
    for words in (
        "wrong crossing counts", "second derivative", "samples at 16 scales", "peak memory",
        "NIST Gauss1", "424 samples", "pure noise", "exact counts",
    ):  # fmt: skip
        assert words in printed
    assert figures["crossings"]["scalemark"] == [0] * 5
    assert all(count > 0 for count in figures["crossings"]["gaussian_filter1d, truncate 4"])
    assert set(figures["table"]) == {(30, 3.0)}
    assert not benchmark._arguments([])
    assert benchmark._arguments(["--toy"])


def test_missing_peers_are_said(monkeypatch, capsys):
    usual = importlib.import_module

    def missing(name, *rest):
        if name.startswith(("pyscsp", "phspectra")):
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(benchmark.importlib, "import_module", missing)
    benchmark.batch_speed(benchmark.TOY)
    assert "pyscsp: skipped" in capsys.readouterr().out
    assert protocol.by_phspectra() is None


def test_made_signals_are_what_they_say():
    signals, truth = protocol.made(np.random.default_rng(0), 200, 3, 2.0, 30)
    apart = np.diff(truth[..., 1]) / (0.5 * (truth[:, 1:, 2] + truth[:, :-1, 2]))
    np.testing.assert_allclose(apart, 2.0)
    assert ((truth[..., 2] >= 7) & (truth[..., 2] <= 14)).all()
    np.testing.assert_allclose(signals[:, :100].std(), 0.75 / 30, rtol=0.02)


def test_thresholds_of_peers_count_separate_peaks():
    signals, _ = protocol.made(np.random.default_rng(1), 3, 2, 6.0, 100)
    assert protocol.by_peaks(20)(signals, 0.0075) == [2, 2, 2]
    share = protocol.best_share(
        [protocol.by_peaks(0.1), protocol.by_peaks(20)], [(signals, 2)], 0.0075, 3
    )
    assert share == 1.0
