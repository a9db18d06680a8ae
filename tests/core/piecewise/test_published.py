"""Answers that others published, to every digit that they printed."""

from pathlib import Path

import numpy as np
import pytest

from core.piecewise import fit_piecewise

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data" / "piecewise"


def published_series(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout; its licence is not checked for copying")
    return np.loadtxt(path, delimiter=",", skiprows=1).T


def nile():
    return np.loadtxt(
        ROOT / "examples" / "archive" / "climate" / "nile_flow.csv", delimiter=",", skiprows=1
    ).T


def test_r_segmented_with_one_break():
    x, y = published_series("one_break.csv")
    fit = fit_piecewise(x, y)
    assert f"{fit.breakpoints[0]:.6f} {fit.se_breakpoints[0]:.6f}" == "1.608428 0.291020"
    assert f"{fit.intercepts[0]:.6f}" == "4.862063"
    assert f"{fit.slopes[0]:.6f} {fit.se_slopes[0]:.6f}" == "0.944723 0.067440"
    assert f"{np.diff(fit.slopes)[0]:.6f} {fit.rss:.6f}" == "1.957194 34.701264"


def test_r_segmented_with_two_breaks_is_improved_on():
    x, y = published_series("two_breaks.csv")
    fit = fit_piecewise(x, y, 3)
    assert [f"{b:.6f}" for b in fit.breakpoints] == ["7.152092", "12.160804"]
    assert [f"{e:.3f}" for e in fit.se_breakpoints] == ["0.101", "0.095"]
    assert f"{fit.rss:.5f}" == "189.92539"
    assert fit.certified
    # R's own break is a local optimum: 7.152 and 12.161, rss 190.02.
    assert fit.rss < 190.02


def test_nile_flow_has_its_break_after_observation_28():
    year, flow = nile()
    fit = fit_piecewise(year, flow, degree=0, continuous=False, min_size=15)
    assert fit.breakpoints.tolist() == [1898.0]
    assert np.flatnonzero(year == 1898)[0] + 1 == 28


def test_nile_flow_as_strucchange_divides_it():
    # R strucchange, summary(breakpoints(Nile ~ 1)): segments of at least 15 observations.
    year, flow = nile()
    printed = {
        1: ([], 2835157, 1318),
        2: ([28], 1597457, 1270),
        3: ([28, 83], 1552924, 1276),
        4: ([28, 68, 83], 1538097, 1285),
        5: ([28, 45, 68, 83], 1507888, 1292),
        6: ([15, 30, 45, 68, 83], 1659994, 1311),
    }
    for count, (after, rss, bic) in printed.items():
        fit = fit_piecewise(year, flow, count, degree=0, continuous=False, min_size=15)
        assert (fit.breakpoints - year[0] + 1).tolist() == after
        # The last printed digit of 1659994 stands for 1659993.5004.
        assert abs(fit.rss - rss) <= 0.5
        n = fit.n_obs
        likelihood = n * (np.log(fit.rss) + 1 - np.log(n) + np.log(2 * np.pi))
        assert round(likelihood + 2 * count * np.log(n)) == bic


def test_nile_flow_has_two_means_by_bic():
    year, flow = nile()
    options = {"degree": 0, "continuous": False, "min_size": 15, "criterion": "bic"}
    assert fit_piecewise(year, flow, "auto", **options).breakpoints.tolist() == [1898.0]


def test_coverage_on_the_hard_design_of_lm_br():
    # lm.br's vignette prints 90.7 % for the approximate-F interval; the delta method has 65 %.
    x = np.array([1.0, 1.1, 1.3, 1.7, 2.4, 3.9, 5.7, 7.6, 8.4, 8.6])
    mean = 3.0 - np.minimum(x, 3.0) + 0.5 * np.maximum(x - 3.0, 0.0)
    y = mean + np.random.default_rng(2024).normal(size=(40_000, 10))
    covered = {}
    for ci in ("profile", "delta"):
        low, high = fit_piecewise(x, y, min_size=2, ci=ci).ci_breakpoints[:, 0].T
        covered[ci] = np.mean((low <= 3.0) & (high >= 3.0))
    # Ours spans the gaps of the set that the vignette counts, so it covers a little more.
    assert 0.905 <= covered["profile"] <= 0.92
    assert covered["delta"] < 0.7


def test_the_pwlf_case_whose_own_test_asserts_a_local_optimum():
    # pwlf tests/tests.py, test_fit_guess: 6.0705297 there, rss .16667; the optimum has .15682.
    x = np.array([4.0, 5.0, 6.0, 7.0, 8.0])
    y = np.array([11.0, 13.0, 16.0, 28.92, 42.81])
    fit = fit_piecewise(x, y, min_size=2)
    assert f"{fit.breakpoints[0]:.6f} {fit.rss:.5f}" == "5.926494 0.15682"
